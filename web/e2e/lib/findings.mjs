/** What there is to know of the pages when a test has failed: their words, pictures and connections. */

const pages = new Set();

/** From now on this page is asked when something fails. */
export function follow(page) {
  pages.add(page);
  page.once("close", () => pages.delete(page));
}

/** A few lines on every open page. */
export async function findings() {
  return (await Promise.all([...pages].map(one))).join("\n");
}

async function one(page) {
  let late;
  const silence = new Promise((resolve) => (late = setTimeout(resolve, 5_000, "does not answer")));
  const found = await Promise.race([look(page).catch((error) => error.message), silence]);
  clearTimeout(late);
  return `${page.who} at ${new URL(page.url()).pathname}: ${typeof found === "string" ? found : JSON.stringify(found, null, 1)}`;
}

async function look(page) {
  const connections = (await page.evaluate(() => window.__probe.stats())).map(({ inbound, outbound, state }) => ({
    state,
    in: inbound.map((s) => `${s.kind} ${s.packetsReceived} packets, ${s.framesDecoded ?? "-"} frames, ${s.pliCount ?? "-"} PLI`),
    out: outbound.map((s) => `${s.kind} ${s.rid ?? ""} ${s.packetsSent} packets, ${s.framesEncoded ?? "-"} frames, active ${s.active ?? "-"}`),
  }));
  const own = await page.evaluate(async () => {
    const tracks = window.__probe.peers.flatMap(({ pc }) =>
      pc.signalingState === "closed" ? [] : pc.getSenders().map(({ track }) => track).filter((track) => track?.kind === "audio"),
    );
    const sources = [];
    for (const { pc } of window.__probe.peers) {
      if (pc.signalingState !== "closed") sources.push(...[...(await pc.getStats()).values()].filter(({ type, kind }) => type === "media-source" && kind === "audio").map((s) => `${s.totalSamplesDuration} s, level ${s.audioLevel}`));
    }
    return { sources, peak: (await window.__probe.listen(tracks, [], 500)).peak };
  });
  const seen = await page.evaluate(() => ({
    videos: [...document.querySelectorAll("video")].map(
      (v) => `${v.dataset.testid} ${v.videoWidth}x${v.videoHeight} ready ${v.readyState}, paused ${v.paused}, picture ${v.dataset.picture}`,
    ),
    sent: window.__probe.peers
      .filter(({ pc }) => pc.signalingState !== "closed")
      .flatMap(({ pc }) => pc.getSenders().map(({ track }) => track && `${track.kind} ${track.readyState}, muted ${track.muted}, enabled ${track.enabled}`)),
    asked: window.__probe.asked,
    clicks: window.__probe.clicks,
    now: Math.round(performance.now()),
    text: document.body.innerText.replace(/\s+/g, " ").slice(0, 400),
  }));
  return { connections, own, ...seen, troubles: page.troubles.slice(-4) };
}
