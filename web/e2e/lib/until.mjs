/** Waits for conditions. Nothing in these tests sleeps for a fixed time. */

/**
 * Polls `probe` until it gives something truthy, and returns that.
 * The error tells what was waited for and what was seen last.
 */
export async function until(what, probe, { within = 30_000, every = 50 } = {}) {
  const deadline = Date.now() + within;
  let last = "no answer to the first look";
  for (;;) {
    try {
      last = await answered(probe(), deadline + LATE_MS - Date.now());
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`waited ${within} ms for ${what}; last saw: ${seen}`);
    }
    await new Promise((wake) => setTimeout(wake, every));
  }
}

/** How late an answer may be: a page that does not answer at all is a failure too. */
const LATE_MS = 5_000;

function answered(promise, within) {
  let timer;
  const silence = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("the page does not answer")), within);
  });
  return Promise.race([promise, silence]).finally(() => clearTimeout(timer));
}

/** Watches for `duration` and fails at the first sight of something truthy: "it stays that way". */
export async function never(what, probe, { during = 2_000, every = 100 } = {}) {
  const end = Date.now() + during;
  while (Date.now() < end) {
    const seen = await probe();
    if (seen) throw new Error(`${what}, which must not happen: ${JSON.stringify(seen)}`);
    await new Promise((wake) => setTimeout(wake, every));
  }
}
