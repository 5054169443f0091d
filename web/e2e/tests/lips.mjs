/**
 * Lips and voice: when the picture is late, the voice is held back to match. The publisher's video is
 * made 300 ms late on purpose, after encoding; what is watched is the receiver's audio buffer.
 */
import { after, before, describe, test } from "../lib/test.mjs";
import { lateVideo } from "../in-page/late-video.mjs";
import { call, together } from "../lib/call.mjs";
import { cast } from "../lib/cast.mjs";
import { figure } from "../lib/figures.mjs";
import { reopen } from "../lib/journeys.mjs";
import { stats } from "../lib/perception.mjs";
import { serve } from "../lib/server.mjs";
import { until } from "../lib/until.mjs";

const DELAY_MS = 300;
/** For how long it must stay so. */
const HELD_SECONDS = 6;
/** Longest audio delay that counts as settled; a call begins with more and comes down. */
const SOON_MS = 120;
/** Growth of the audio buffer that proves it: the receiver splits the rest between both. */
const GROWTH_MS = 150;

export default () =>
  describe("lips and voice", () => {
    let server, desk, patient, close, control;
    before(async () => {
      server = await serve();
      ({ desk, patient, close } = await call(server, { patientIn: cast.patientInChromium }));
    });
    after(async () => {
      await close?.();
      await server?.stop();
    });

    test("with video on time, audio is played soon", async () => {
      await until("the audio buffer to settle", async () => (control = await audioDelay(patient)) < SOON_MS, { within: 45_000 }).finally(
        () => figure("lips_control_audio_delay_ms", control),
      );
    });

    test(`with video ${DELAY_MS} ms late, audio is held back to match`, async () => {
      await desk.evaluateOnNewDocument(lateVideo, DELAY_MS);
      await desk.reload();
      await reopen(desk);
      await together(desk, patient);
      // For a while on end: every connection begins with a long buffer and shortens it.
      let delay;
      let held = 0;
      await until(
        "the audio buffer to grow and to stay long",
        async () => {
          delay = await audioDelay(patient);
          held = delay > control + GROWTH_MS ? held + 1 : 0;
          return held >= HELD_SECONDS;
        },
        { within: 60_000 },
      ).finally(() => figure("lips_late_video_audio_delay_ms", delay));
    });
  });

/** Mean time that audio spent in the receiver's buffer over the last second, milliseconds. */
async function audioDelay(page) {
  const read = async () =>
    (await stats(page))
      .flatMap(({ inbound }) => inbound)
      .filter(({ kind }) => kind === "audio")
      .reduce((sum, s) => ({ delay: sum.delay + s.jitterBufferDelay, count: sum.count + s.jitterBufferEmittedCount }), { delay: 0, count: 0 });
  const before = await read();
  const now = await until("a second of audio to be played", async () => {
    const after = await read();
    return after.count - before.count >= 48_000 && after;
  });
  return ((now.delay - before.delay) / (now.count - before.count)) * 1000;
}
