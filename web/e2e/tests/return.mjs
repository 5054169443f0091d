/** Coming back: reloads, a second tab, and a server that is killed. Nobody loses a place or a call. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "../lib/test.mjs";
import { call, together, waiting } from "../lib/call.mjs";
import { cast } from "../lib/cast.mjs";
import { figure } from "../lib/figures.mjs";
import { REMOTE, firstFrame, id, place, press, queue, reopen, shown } from "../lib/journeys.mjs";
import { looks } from "../lib/looks.mjs";
import { PEOPLE, isColour } from "../lib/people.mjs";
import { coloursOf, hears, hearsAndSeesNothing, seesColour, stats } from "../lib/perception.mjs";
import { serve } from "../lib/server.mjs";
import { never, until } from "../lib/until.mjs";

const QUEUE = [
  ["Anna Berg", "video"],
  ["Bilal Chaudhry", "sound"],
  ["Carla Dias", "sound"],
];
const NAMES = QUEUE.map(([name]) => name);

export default () =>
  describe("coming back", () => {
    let server, desk, patient, link;
    const queued = [];
    before(async () => {
      server = await serve();
      ({ desk, patient, link } = await call(server, { patientIn: cast.patientInChromium }));
    });
    after(async () => {
      await Promise.all([desk, patient, ...queued].map((page) => page?.close()));
      await server?.stop();
    });

    test("three patients wait and know their places", async () => {
      for (const [name, modality] of QUEUE) queued.push((await waiting(desk, { name, modality, as: PEOPLE.stranger })).page);
      await until("the places to be 0, 1 and 2", async () => String(await Promise.all(queued.map(place))) === "0,1,2");
      assert.deepEqual(await queue(desk), NAMES);
      await looks(queued[2], "patient-waiting-third");
    });

    test("a reload while waiting keeps the place", async () => {
      await queued[1].reload();
      await shown(queued[1], "place");
      await reopen(queued[1]);
      assert.deepEqual(await Promise.all(queued.map(place)), [0, 1, 2]);
      assert.deepEqual(await queue(desk), NAMES);
      await hearsAndSeesNothing(queued[1]);
    });

    test("a reload in a call comes back into it", async () => {
      await patient.reload();
      await reopen(patient);
      await together(desk, patient);
      const frame = await firstFrame(patient);
      const [{ offeredAt, connectedAt }] = await patient.evaluate(() =>
        window.__probe.peers.slice(-1).map(({ offeredAt, connectedAt }) => ({ offeredAt, connectedAt })),
      );
      figure("reload_offer_to_connected_ms", connectedAt - offeredAt);
      figure("reload_offer_to_frame_ms", frame.at - offeredAt);
    });

    test("the server is killed: the call comes back without a click, and the queue in its order", async () => {
      const killed = Date.now();
      await server.kill();
      const restarted = Date.now();
      await server.start();
      figure("restart_to_ready_s", (Date.now() - restarted) / 1000);
      await together(desk, patient, { within: 60_000 });
      figure("kill_to_call_back_s", (Date.now() - killed) / 1000);
      // Where the time went: each page's attempts since, from the kill to the offer and to the connection.
      for (const [name, page] of Object.entries({ desk, patient })) {
        const attempts = await page.evaluate(
          (since) => window.__probe.peers.filter(({ offeredAt }) => offeredAt >= since).map((life) => [life.offeredAt - since, life.connectedAt - since]),
          killed,
        );
        assert.ok(attempts.length > 0, `${page.who} did not offer anew`);
        for (const [offered, connected] of attempts) {
          figure(`kill_to_offer_s_${name}`, offered / 1000);
          if (connected > 0) figure(`kill_to_connected_s_${name}`, connected / 1000);
        }
      }
      await until("the queue to be back in order", async () => {
        const places = await Promise.all(queued.map(place));
        return String(places) === "0,1,2" && String(await queue(desk)) === String(NAMES);
      });
      for (const page of queued) await hearsAndSeesNothing(page, 800);
    });

    test("a second tab takes the seat, and the first does not take it back", async () => {
      const second = await (await cast.firefox()).open(link, { as: PEOPLE.third, own: true });
      await until("the first tab to say that it was replaced", () =>
        patient.$eval(id("link-state"), (element) => element.dataset.state === "replaced").catch(() => false),
      );
      await reopen(second);
      await seesColour(desk, REMOTE, PEOPLE.third.colour);
      await Promise.all([hears(desk, PEOPLE.third), hears(second, PEOPLE.clinician), seesColour(second, REMOTE, PEOPLE.clinician.colour)]);
      await looks(patient, "patient-replaced");
      await never(
        "the first tab took the seat back",
        async () => {
          const state = await patient.evaluate((s) => document.querySelector(s)?.dataset.state, id("link-state"));
          const media = await stats(patient);
          const colours = await coloursOf(desk, REMOTE);
          return state !== "replaced" || media.length > 0 || colours.some((seen) => isColour(seen, PEOPLE.patient.colour));
        },
        { during: 5_000 },
      );

      // Only a person takes it back.
      await press(patient, "take-over");
      await reopen(patient);
      await together(desk, patient);
      await until("the second tab to be replaced", () =>
        second.$eval(id("link-state"), (element) => element.dataset.state === "replaced").catch(() => false),
      );
      await second.close();
    });

    test("while the server is away, a patient reads that the place is safe", async () => {
      await server.kill();
      await shown(queued[0], "link-state");
      await looks(queued[0], "patient-reconnecting");
    });
  });
