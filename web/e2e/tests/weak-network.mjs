/**
 * A consult over a weak network: the patient's browser stands behind `loadtest netem`, server and desk before it.
 * Judged by what people see and hear, and by what the browsers counted meanwhile.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "../lib/test.mjs";
import { chromium } from "../lib/browsers.mjs";
import { together } from "../lib/call.mjs";
import { figure } from "../lib/figures.mjs";
import { admit, checkIn, id, invite, openDesk, says } from "../lib/journeys.mjs";
import { weakNetwork } from "../lib/netem.mjs";
import { PEOPLE } from "../lib/people.mjs";
import { stats } from "../lib/perception.mjs";
import { serve } from "../lib/server.mjs";
import { until } from "../lib/until.mjs";

/** A phone at the edge of a cell. */
const MOBILE = `both = { delay = "80 ms", jitter = "30 ms", loss = "5 %" }`;
const CLEAR = `both = { delay = "20 ms" }`;
const HOLE_MS = 5_000;
const NARROW_BPS = 300_000;
/** What a picture is sent with that would not fit. */
const WIDE_BPS = 400_000;

/** How long people talk over the bad network. */
const TALK_MS = 10_000;
/** How long a change is watched once it is through. */
const SETTLED_MS = 4_000;
/** Most of the sound that may be made up: a little more than what is lost, for nobody sends it twice. */
const CONCEALED = 0.08;
/** Fewest frames a second that are a moving picture; 15 are sent. */
const MOVING_FPS = 4;

export default () =>
  describe("a weak network", () => {
    let network, server, browsers, desk, patient;
    before(async () => {
      network = await weakNetwork(MOBILE);
      server = await serve({ inside: network.atServer });
      const launch = (person, inside) => chromium(person, { inside, grain: true, args: ["--ignore-certificate-errors"] });
      browsers = await Promise.all([launch(PEOPLE.clinician, network.atServer), launch(PEOPLE.patient, network.atPatient)]);
      desk = await browsers[0].open(server.links.clinic);
      await openDesk(desk);
    });
    after(async () => {
      await Promise.all(browsers?.map((browser) => browser.close()) ?? []);
      await server?.stop();
      const report = await network?.stop();
      if (!report) return;
      figure("weak_router_late_us_p99", report.router.late_us_p99);
      assert.equal(report.clients[0].readdressed, 1);
    });

    test("a bad mobile network: both see and hear each other, and it goes on", async () => {
      const name = "Maya Rural";
      const link = await invite(desk, name);
      patient = await browsers[1].open(link);
      await checkIn(patient);
      const admitted = Date.now();
      await admit(desk, name);
      await together(desk, patient);
      figure("weak_admit_to_together_s", (Date.now() - admitted) / 1000);
      const talks = await Promise.all([desk, patient].map((page) => over(page, TALK_MS)));
      talks.forEach((talk, at) => {
        figure(`weak_mobile_fps_${["desk", "patient"][at]}`, talk.fps);
        figure(`weak_mobile_concealed_${["desk", "patient"][at]}`, talk.concealed);
      });
      for (const talk of talks) {
        assert.ok(talk.fps >= MOVING_FPS, `${talk.who} saw ${talk.fps} frames a second`);
        assert.ok(talk.concealed <= CONCEALED, `${talk.who}: ${talk.concealed * 100} % of the sound was made up`);
      }
      await together(desk, patient);
    });

    test("the patient's uplink gets narrow and wide again: the picture follows, the sound stays", async () => {
      await network.become(CLEAR);
      await sends(patient, "more than fits later", (bps) => bps > WIDE_BPS);
      await network.become(`${CLEAR}\nup = { rate = "${NARROW_BPS} bit/s" }`);
      figure("weak_up_narrow_after_s", await sends(patient, "less than fits", (bps) => bps < NARROW_BPS));
      const talk = await over(desk, SETTLED_MS);
      figure("weak_up_narrow_concealed", talk.concealed);
      // What was lost when it got narrow has to be begun anew, through what is left.
      const began = Date.now();
      const moving = await moves(desk);
      figure("weak_up_narrow_moving_after_s", (Date.now() - began) / 1000);
      figure("weak_up_narrow_fps", moving.fps);
      await network.become(CLEAR);
      figure("weak_up_wide_after_s", await sends(patient, "more again", (bps) => bps > WIDE_BPS));
      assert.ok(talk.concealed <= CONCEALED, `${talk.who}: ${talk.concealed * 100} % of the sound was made up`);
      await together(desk, patient);
    });

    test("the patient's downlink gets narrow: the sound stays, and a picture that fits", async () => {
      await sends(desk, "more than fits later", (bps) => bps > WIDE_BPS);
      await network.become(`${CLEAR}\ndown = { rate = "${NARROW_BPS} bit/s" }`);
      figure("weak_down_narrow_after_s", await sends(desk, "less than fits the patient", (bps) => bps < NARROW_BPS));
      const talk = await over(patient, SETTLED_MS);
      figure("weak_down_narrow_concealed", talk.concealed);
      assert.ok(talk.concealed <= CONCEALED, `${talk.who}: ${talk.concealed * 100} % of the sound was made up`);
      figure("weak_down_narrow_fps", (await moves(patient)).fps);
    });

    test("the patient's downlink is wide again: both see and hear each other", async () => {
      await network.become(CLEAR);
      const began = Date.now();
      await together(desk, patient);
      figure("weak_down_wide_to_together_s", (Date.now() - began) / 1000);
      figure("weak_down_wide_after_s", await sends(desk, "more again", (bps) => bps > WIDE_BPS));
    });

    test("nothing passes for five seconds: the page says so, and the call comes back without a reload", async () => {
      await network.become(`${CLEAR}\n[[step]]\nat = "0 s"\nfor = "${HOLE_MS} ms"\ncut = "both"`);
      const began = Date.now();
      await until("the patient to read that the connection stopped", () => pathIs(patient, "stalled"));
      figure("weak_hole_noticed_s", (Date.now() - began) / 1000);
      await until("the patient's path to be back", () => pathIs(patient, "connected"));
      figure("weak_hole_over_to_connected_s", (Date.now() - began - HOLE_MS) / 1000);
      await together(desk, patient);
      figure("weak_hole_over_to_together_s", (Date.now() - began - HOLE_MS) / 1000);
    });

    test("another address in mid-call, as from Wi-Fi to mobile: the call goes on", async () => {
      await network.become(`${CLEAR}\n[[step]]\nat = "0 s"\nreaddress = true`);
      figure("weak_readdressed_gap_s", ((await over(desk, SETTLED_MS)).concealed * SETTLED_MS) / 1_000);
      await together(desk, patient);
      assert.ok((await over(patient, 1_000)).fps >= MOVING_FPS);
    });

    test("UDP is blocked in mid-call: it goes on over TCP", async () => {
      const began = Date.now();
      network.blockUdpAtPatient();
      await until("the patient's path to lead over TCP", async () => (await stats(patient)).at(-1)?.pair?.local.protocol === "tcp");
      await together(desk, patient);
      figure("weak_udp_blocked_to_together_s", (Date.now() - began) / 1000);
      await says(patient, "Connected by a slower route");
    });
  });

/** Whether the page says this of its path. */
function pathIs(page, status) {
  return page.evaluate((s, wanted) => document.querySelector(s)?.dataset.status === wanted, id("path"), status);
}

/** Counted so far by the newest connection: pictures, sound and what was sent. */
async function count(page) {
  const reports = await stats(page);
  const { inbound, outbound } = reports.at(-1);
  const sum = (list, kind, field) => list.filter((s) => s.kind === kind && s.packetsReceived !== 0).reduce((total, s) => total + (s[field] ?? 0), 0);
  return {
    at: Date.now(),
    frames: sum(inbound, "video", "framesDecoded"),
    samples: sum(inbound, "audio", "totalSamplesReceived"),
    concealed: sum(inbound, "audio", "concealedSamples"),
    sent: sum(outbound, "video", "bytesSent"),
  };
}

/** What happened within so many milliseconds of sound. */
async function over(page, ms) {
  const before = await count(page);
  const now = await until(`${page.who} to play ${ms} ms`, async () => {
    const after = await count(page);
    return (after.samples - before.samples) / 48 >= ms && after;
  });
  return {
    who: page.who,
    fps: (now.frames - before.frames) / ((now.at - before.at) / 1000),
    concealed: (now.concealed - before.concealed) / (now.samples - before.samples),
  };
}

/** Waits until somebody sees a picture that moves. */
function moves(page) {
  return until(`${page.who} to see a picture that moves`, async () => {
    const talk = await over(page, SETTLED_MS);
    return talk.fps >= MOVING_FPS && talk;
  });
}

/** Waits until the video that leaves in a second fits; how long that took, seconds. */
async function sends(page, what, fits) {
  const began = Date.now();
  let before = await count(page);
  let bps = null;
  await until(
    `${page.who} to send ${what}`,
    async () => {
      const now = await count(page);
      if (now.at - before.at < 1_000) return false;
      bps = ((now.sent - before.sent) * 8_000) / (now.at - before.at);
      before = now;
      return fits(bps);
    },
    { within: 60_000, every: 200 },
  ).catch((error) => {
    throw new Error(`${error.message}; now ${Math.round(bps / 1_000)} kbit/s`);
  });
  return (Date.now() - began) / 1_000;
}
