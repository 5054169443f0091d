/** A whole visit, with each browser in each role, while somebody else waits. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "../lib/test.mjs";
import { together } from "../lib/call.mjs";
import { cast } from "../lib/cast.mjs";
import { figure } from "../lib/figures.mjs";
import {
  REMOTE,
  SCREEN,
  admit,
  checkIn,
  end,
  firstFrame,
  gone,
  id,
  invite,
  offerToConnected,
  openDesk,
  press,
  says,
  shown,
  write,
} from "../lib/journeys.mjs";
import { looks } from "../lib/looks.mjs";
import { PEOPLE, SCREENS } from "../lib/people.mjs";
import { hears, hearsAndSeesNothing, listen, seesColour, seesMotion, stats } from "../lib/perception.mjs";
import { serve } from "../lib/server.mjs";
import { never, until } from "../lib/until.mjs";

const pairs = [
  {
    title: "Chromium leads, Firefox is the patient",
    key: "chromium_clinician",
    clinicianIn: cast.clinicianInChromium,
    patientIn: cast.firefox,
    strangerIn: cast.patientInChromium,
    photographs: true,
  },
  {
    title: "Firefox leads, Chromium is the patient",
    key: "firefox_clinician",
    clinicianIn: cast.firefox,
    patientIn: cast.patientInChromium,
    strangerIn: cast.clinicianInChromium,
    photographs: false,
  },
];

export default () => {
  for (const { title, key, clinicianIn, patientIn, strangerIn, photographs } of pairs) {
    describe(title, () => {
      let server, desk, patient, stranger;
      const photograph = (page, state) => (photographs ? looks(page, state) : undefined);

      before(async () => {
        server = await serve();
        const browser = await clinicianIn();
        desk = await browser.open(server.links.clinic, { as: PEOPLE.clinician, own: true });
      });
      after(async () => {
        await Promise.all([desk, patient, stranger].map((page) => page?.close()));
        await server?.stop();
      });

      test("a patient checks in and waits, and neither sees nor hears anything", async () => {
        await shown(desk, "home");
        await photograph(desk, "clinic-empty");
        await openDesk(desk);
        const link = await invite(desk, "Jonah Okafor", "Knee");
        patient = await (await patientIn()).open(server.links.patient, { as: PEOPLE.patient, own: true });
        stranger = await (await strangerIn()).open(link, { as: PEOPLE.stranger, own: true });
        await shown(patient, "open-devices");
        await photograph(patient, "patient-before-devices");
        await checkIn(patient);
        await checkIn(stranger);
        await says(desk, "Marisol Vega");
        await photograph(patient, "patient-waiting");
        await photograph(desk, "clinic-queue");
        // The warm connections are up: silence is the server's doing, not a missing connection.
        for (const page of [desk, patient, stranger]) {
          const { took } = await until(`${page.who} to be warm`, async () => {
            const life = await offerToConnected(page);
            return life.took > 0 && life;
          });
          figure(`${key}_offer_to_connected_ms`, took);
        }
        await Promise.all([desk, patient, stranger].map((page) => hearsAndSeesNothing(page)));
      });

      test("admitted, both see and hear each other and nobody else", async () => {
        await admit(desk, "Marisol Vega");
        await Promise.all([
          seesColour(desk, REMOTE, PEOPLE.patient.colour),
          seesColour(patient, REMOTE, PEOPLE.clinician.colour),
          hears(desk, PEOPLE.patient),
          hears(patient, PEOPLE.clinician),
        ]);
        await Promise.all([seesMotion(desk, REMOTE), seesMotion(patient, REMOTE)]);
        const admitted = await desk.evaluate(() => window.__probe.clicks.admit);
        for (const [who, page] of [["clinician", desk], ["patient", patient]]) {
          const frame = await firstFrame(page);
          figure(`${key}_admit_to_frame_at_${who}_ms`, frame.at - admitted);
          figure(`${key}_admit_to_picture_at_${who}_ms`, frame.uncoveredAt - admitted);
        }
        await hearsAndSeesNothing(stranger);
        const [{ pair }] = await stats(desk);
        assert.equal(pair.local.protocol, "udp");
        await photograph(patient, "patient-call");
        await photograph(desk, "clinic-call");
      });

      test("sound off is silence, camera off is no picture, and both come back", async () => {
        await press(patient, "sound");
        await until("the clinician to hear nobody", async () => (await listen(desk, 300)).peak.db < -70);
        let packets = null;
        await until(
          "no packet of the patient's to leave, not even silence",
          async () => {
            const before = packets;
            packets = (await stats(patient))[0].outbound.reduce((sum, s) => sum + (s.kind === "audio" ? s.packetsSent : 0), 0);
            return packets === before;
          },
          { every: 500 },
        );
        await press(patient, "camera");
        await until("the clinician to see no picture", () =>
          desk.$eval(REMOTE, (video) => video.dataset.picture === "false"),
        );
        await press(patient, "sound");
        await press(patient, "camera");
        await Promise.all([hears(desk, PEOPLE.patient), seesColour(desk, REMOTE, PEOPLE.patient.colour)]);
      });

      test("nobody speaks for a while: both stay connected, and the first word is heard", async () => {
        const both = [desk, patient];
        for (const page of both) for (const button of ["sound", "camera"]) await press(page, button);
        const connections = (page) => page.evaluate(() => window.__probe.peers.length);
        const before = await Promise.all(both.map(connections));
        await never(
          "a connection was given up",
          async () => String(await Promise.all(both.map(connections))) !== String(before),
          { during: 10_000, every: 250 },
        );
        for (const page of both) for (const button of ["sound", "camera"]) await press(page, button);
        await together(desk, patient);
        assert.deepEqual(await Promise.all(both.map(connections)), before);
      });

      test("they write to each other", async () => {
        await press(patient, "chat");
        await write(patient, "chat-input", "Can you see my knee?");
        await press(patient, "chat-send");
        await says(desk, "Can you see my knee?");
        if (!(await desk.$(id("chat-input")))) await press(desk, "chat");
        await write(desk, "chat-input", "Yes, clearly.");
        await press(desk, "chat-send");
        await says(patient, "Yes, clearly.");
        await photograph(patient, "patient-call-chat");
        await photograph(desk, "clinic-call-chat");
        await press(patient, "chat");
      });

      test("the clinician shares a screen, and stops", async () => {
        const curtain = await raiseScreen(desk);
        await press(desk, "share");
        await seesColour(patient, SCREEN, SCREENS[desk.kind], { middle: true });
        await photograph(patient, "patient-screen-shared");
        await hears(patient, PEOPLE.clinician);
        await press(desk, "share");
        await gone(patient, "screen-video");
        await curtain?.close();
      });

      test("the patient asks to share, is allowed, shares, and stops", async () => {
        const curtain = await raiseScreen(patient);
        await press(patient, "more");
        await press(patient, "share");
        await shown(desk, "share-request");
        await photograph(desk, "clinic-share-request");
        await press(desk, "grant-share");
        await press(patient, "share");
        await seesColour(desk, SCREEN, SCREENS[patient.kind], { middle: true });
        await photograph(desk, "clinic-screen-shared");
        await press(patient, "stop-sharing");
        await gone(desk, "screen-video");
        await seesColour(desk, REMOTE, PEOPLE.patient.colour);
        await curtain?.close();
      });

      test("the clinician ends the visit; both get a closing page and silence", async () => {
        await press(desk, "end");
        await shown(desk, "confirm-end");
        await photograph(desk, "clinic-end");
        await desk.keyboard.press("Escape");
        await end(desk, "done");
        await shown(patient, "closed");
        assert.equal(await patient.$eval(id("closed"), (page) => page.dataset.outcome), "done");
        assert.equal(await desk.$eval(id("closed"), (page) => page.dataset.outcome), "done");
        await photograph(patient, "patient-closed");
        await photograph(desk, "clinic-closed");
        await until("the patient to be disconnected", async () => (await stats(patient)).length === 0);
        assert.equal(await shown(stranger, "place"), true);
      });

      test("somebody who is not admitted reads why", async () => {
        await press(desk, "open-next");
        await press(desk, "deny");
        await write(desk, "deny-reason", "Please come in person.");
        await photograph(desk, "clinic-deny");
        await press(desk, "confirm-deny");
        await shown(stranger, "closed");
        await says(stranger, "Please come in person.");
        await photograph(stranger, "patient-denied");
      });

      test("nothing went wrong on any page meanwhile", () => {
        for (const page of [desk, patient, stranger]) assert.deepEqual(page.troubles, []);
      });
    });
  }
};

/** Firefox captures its display: a page that fills it is what is shared. Chromium has a fake screen. */
async function raiseScreen(page) {
  if (page.kind !== "firefox") return null;
  const curtain = await page.browser().newPage({ type: "window" });
  const [r, g, b] = SCREENS.firefox;
  await curtain.goto(`data:text/html,<title>Screen</title><body style="background:rgb(${r} ${g} ${b})">`);
  return curtain;
}
