/** A fleet that loses parts of itself while people talk. Figures are from the fault to what people notice of it. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "../lib/test.mjs";
import { call, together } from "../lib/call.mjs";
import { cast } from "../lib/cast.mjs";
import { figure } from "../lib/figures.mjs";
import { id, press, says, write } from "../lib/journeys.mjs";
import { hears, stats } from "../lib/perception.mjs";
import { ROLES } from "../lib/fleet.mjs";
import { looks } from "../lib/looks.mjs";
import { serve } from "../lib/server.mjs";
import { until } from "../lib/until.mjs";

/** How long the engines are away; two minutes for the record, less in passing. */
const OUTAGE_MS = Number(process.env.E2E_OUTAGE_S ?? 10) * 1_000;
/** While everything is restarted. */
const REQUESTS_PER_S = 50;
/** Longest from the end of a signaling process until words arrive again. */
const RESUMED_MS = 1_000;
/** Longest from the end of a media node until sound is back. */
const HEARD_MS = 2_000;

export default () =>
  describe("a fleet loses parts", () => {
    let fleet, desk, patient, close;
    before(async () => {
      fleet = await serve();
      ({ desk, patient, close } = await call(fleet, { patientIn: cast.firefox }));
      for (const page of [desk, patient]) if (!(await page.$(id("chat-input")))) await press(page, "chat");
    });
    after(async () => {
      await close?.();
      await fleet?.stop();
    });

    for (const role of ["signaling-1", "signaling-2"]) {
      test(`${role} is killed: sound and picture lose nothing, and words arrive within a second`, async () => {
        const pages = [desk, patient];
        const before = await Promise.all(pages.map(counted));
        const words = `Without ${role}`;
        await write(desk, "chat-input", words);
        const killed = Date.now();
        await fleet.killRole(role);
        try {
          await press(desk, "chat-send");
          await says(patient, words);
          const took = Date.now() - killed;
          figure("fleet_signaling_kill_to_words_ms", took);
          await together(desk, patient);
          const now = await Promise.all(pages.map(counted));
          now.forEach(({ lost, connections }, at) => {
            assert.equal(lost - before[at].lost, 0, `${pages[at].who} lost packets`);
            assert.equal(connections, before[at].connections, `${pages[at].who} connected anew`);
          });
          assert.ok(took <= RESUMED_MS, `words took ${took} ms`);
        } finally {
          // What comes next has a fault of its own.
          await fleet.startRole(role);
        }
      });
    }

    test("the media node of the call is killed: sound is back, and nobody is asked to do anything", async () => {
      const [busy] = await fleet.busiest(["sfu-1", "sfu-2"], "telehealth_sfu_sessions");
      const killed = Date.now();
      await fleet.killRole(busy);
      await Promise.all([fresh(desk, killed), fresh(patient, killed)]);
      await Promise.all([hears(desk, patient.person), hears(patient, desk.person)]);
      figure("fleet_media_kill_to_heard_ms", Date.now() - killed);
      await together(desk, patient);
      const connected = await Promise.all([desk, patient].map((page) => connectedSince(page, killed)));
      connected.forEach((ms) => figure("fleet_media_kill_to_connected_ms", ms));
      for (const ms of connected) assert.ok(ms <= HEARD_MS, `it took ${ms} ms`);
      await fleet.startRole(busy);
    });

    test("every role is restarted, one after the other: no request fails, and the call goes on", async () => {
      const requests = ask(fleet);
      for (const role of ROLES) {
        await fleet.restartRole(role);
        await together(desk, patient);
      }
      const { asked, failed } = await requests.stop();
      figure("fleet_rolling_requests", asked);
      assert.deepEqual(failed, []);
      assert.ok(asked >= REQUESTS_PER_S, `only ${asked} requests were made`);
    });

    test("PostgreSQL, Redis and NATS are away: the call goes on, and all is well when they are back", async () => {
      const before = await Promise.all([desk, patient].map(counted));
      fleet.signalEngines("SIGSTOP");
      const stopped = Date.now();
      const meanwhile = "We go on";
      await write(desk, "chat-input", meanwhile);
      await press(desk, "chat-send");
      await says(patient, meanwhile);
      await until("the clinician to read that it is not recorded yet", () => desk.$(id("unrecorded")));
      figure("fleet_outage_to_unrecorded_shown_ms", Date.now() - stopped);
      assert.equal(await patient.$(id("unrecorded")), null, "it worries the patient");
      await looks(desk, "fleet-unrecorded");
      const ends = Date.now() + OUTAGE_MS;
      let received = [0, 0];
      while (Date.now() < ends) {
        await until("sound to go on, both ways", async () => {
          const now = await Promise.all([desk, patient].map(heardPackets));
          const goesOn = now.every((packets, at) => packets > received[at]);
          if (goesOn) received = now;
          return goesOn;
        }, { within: 2_000, every: 500 });
      }
      await together(desk, patient);
      fleet.signalEngines("SIGCONT");
      const back = Date.now();
      await until("the clinician to read it no more", async () => (await desk.$(id("unrecorded"))) === null);
      figure("fleet_back_to_recorded_shown_ms", Date.now() - back);
      const words = "And we are back";
      await until("words to be taken", async () => {
        await write(desk, "chat-input", words);
        await press(desk, "chat-send");
        await says(patient, words, { within: 3_000 });
        return true;
      });
      await together(desk, patient);
      const now = await Promise.all([desk, patient].map(counted));
      now.forEach(({ connections }, at) => assert.equal(connections, before[at].connections, "the same connection throughout"));
    });
  });

/** Asks for a page and exchanges a link in turns, so many times a second, until it is stopped. */
function ask(fleet) {
  const secret = fleet.links.clinic.split("#k=")[1];
  const exchange = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ secret }) };
  const answers = [];
  const failed = [];
  const once = async (at) => {
    const [path, options] = at % 2 ? ["/api/v1/links/exchange", exchange] : ["/", {}];
    try {
      const response = await fetch(fleet.url + path, options);
      await response.arrayBuffer();
      if (!response.ok) failed.push(`${path}: ${response.status}`);
    } catch (error) {
      failed.push(`${path}: ${error.cause?.code ?? error}`);
    }
  };
  const timer = setInterval(() => answers.push(once(answers.length)), 1_000 / REQUESTS_PER_S);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(answers);
      return { asked: answers.length, failed };
    },
  };
}

/** Packets lost so far over everything received, and how many connections there have been. */
async function counted(page) {
  const inbound = (await stats(page)).flatMap((s) => s.inbound);
  const connections = await page.evaluate(() => window.__probe.peers.length);
  return { lost: inbound.reduce((total, s) => total + (s.packetsLost ?? 0), 0), connections };
}

/** Packets of sound received so far. */
async function heardPackets(page) {
  const inbound = (await stats(page)).flatMap((s) => s.inbound);
  return inbound.reduce((total, s) => total + (s.kind === "audio" ? (s.packetsReceived ?? 0) : 0), 0);
}

/** Until the page has a connection that was made since. */
function fresh(page, since) {
  return until(`${page.who} to be connected anew`, async () => (await connectedSince(page, since)) > 0, { every: 20 });
}

/** After how many milliseconds the page's newest connection was up; 0 when it is not. */
function connectedSince(page, since) {
  return page.evaluate((at) => {
    const peer = window.__probe.peers.findLast(({ connectedAt }) => connectedAt >= at);
    return peer ? peer.connectedAt - at : 0;
  }, since);
}
