/** What a page shows and sounds, judged by decoded pixels and by spectrum. */
import { PEOPLE, isColour, whoIsHeard } from "./people.mjs";
import { until } from "./until.mjs";

const TONES = Object.values(PEOPLE).map((person) => person.tone);

/** Colours of every element that matches, shows a picture and is not covered by words. */
export function coloursOf(page, selector, middle = false) {
  return page.evaluate(
    (s, m) =>
      [...document.querySelectorAll(s)]
        .filter((video) => video.dataset.picture !== "false")
        .map((video) => window.__probe.colourOf(video, m))
        .filter(Boolean),
    selector,
    middle,
  );
}

/** Waits until there is a picture in this element, and every one of them is this colour. */
export async function seesColour(page, selector, colour, { middle = false, ...options } = {}) {
  let colours;
  await until(
    `${page.who} to see ${colour} in ${selector}`,
    async () => {
      colours = await coloursOf(page, selector, middle);
      return colours.length > 0 && colours.every((seen) => isColour(seen, colour));
    },
    options,
  ).catch((error) => {
    throw new Error(`${error.message}; colours: ${JSON.stringify(colours)}`);
  });
}

/** Waits until the bar has moved twice: a frozen picture, or one that comes back once, does not count. */
export async function seesMotion(page, selector, options) {
  const positions = [];
  await until(
    `${page.who} to see ${selector} move`,
    async () => {
      const bar = await page.evaluate((s) => window.__probe.barOf(document.querySelector(s)), selector);
      if (bar !== null && !(Math.abs(bar - positions.at(-1)) <= 12)) positions.push(bar);
      return positions.length > 2;
    },
    options,
  );
}

/** Listens to everything this page receives: levels by tone and the loudest frequency. */
export function listen(page, ms = 600) {
  return page.evaluate((tones, t) => window.__probe.listen(window.__probe.incomingAudio(), tones, t), TONES, ms);
}

/** Some element plays sound: what arrives is also let out. */
function playing(page) {
  return page.evaluate(() =>
    [...document.querySelectorAll("audio, video")].some(
      (element) => !element.paused && !element.muted && element.volume > 0 && element.srcObject?.getAudioTracks().length > 0,
    ),
  );
}

/** Waits until this one person is heard, loudest of all frequencies, and nobody else. */
export async function hears(page, person, options) {
  return until(
    `${page.who} to hear ${person.name}`,
    async () => {
      const { levels, peak } = await listen(page);
      const heard = whoIsHeard(levels);
      if (heard && heard.name !== person.name) throw new Error(`heard ${heard.name}: ${JSON.stringify(levels)}`);
      return heard && Math.abs(peak.hz - person.tone) <= 12 && (await playing(page)) && { levels, peak };
    },
    options,
  );
}

/** Fails if anything at all is heard on any incoming track, or any media packet ever arrived. */
export async function hearsAndSeesNothing(page, ms = 1_500) {
  const { levels, peak } = await listen(page, ms);
  if (peak.db > -90) throw new Error(`${page.who} hears ${JSON.stringify({ peak, levels })}`);
  const packets = (await stats(page)).flatMap((s) => s.inbound).filter((s) => s.packetsReceived > 0);
  if (packets.length > 0) throw new Error(`${page.who} receives ${JSON.stringify(packets)}`);
}

/** Connection statistics (see the probe). */
export function stats(page) {
  return page.evaluate(() => window.__probe.stats());
}
