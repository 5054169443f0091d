/** The whole visit without a pointer, the patient on a phone-sized screen. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "../lib/test.mjs";
import { cast } from "../lib/cast.mjs";
import { together } from "../lib/call.mjs";
import { id, queue, says, shown } from "../lib/journeys.mjs";
import { looks } from "../lib/looks.mjs";
import { PEOPLE } from "../lib/people.mjs";
import { listen } from "../lib/perception.mjs";
import { serve } from "../lib/server.mjs";
import { until } from "../lib/until.mjs";

export default () =>
  describe("keyboard alone, patient on a phone-sized screen", () => {
    let server, desk, patient;
    before(async () => {
      server = await serve();
      desk = await (await cast.clinicianInChromium()).open(server.links.clinic, { as: PEOPLE.clinician, own: true });
    });
    after(async () => {
      await Promise.all([desk?.close(), patient?.close()]);
      await server?.stop();
    });

    test("from the link to the call", async () => {
      await shown(desk, "home");
      await tabTo(desk, "open-devices", "Enter");
      await shown(desk, "self-video");
      await tabTo(desk, "invite", "Enter");
      await tabTo(desk, "invite-name");
      await desk.keyboard.type("Key Board");
      await tabTo(desk, "invite-make", "Enter");
      await shown(desk, "invite-link");
      const link = await desk.$eval(id("invite-link"), (field) => field.value);
      await desk.keyboard.press("Escape");

      const viewport = { width: 360, height: 740, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
      patient = await (await cast.patientInChromium()).open(link, { as: PEOPLE.patient, own: true, viewport });
      await shown(patient, "open-devices");
      await tabTo(patient, "open-devices", "Enter");
      await tabTo(patient, "ready", "Enter");
      await shown(patient, "place");
      await fits(patient);

      await until("the patient in the queue", async () => (await queue(desk)).length === 1);
      await tabTo(desk, "queue-row", "Enter");
      await tabTo(desk, "confirm-name", "Space");
      await tabTo(desk, "confirm-birth", "Space");
      await chord(desk, "a");
      await shown(desk, "call");
      await together(desk, patient);
      await fits(patient);
    });

    test("mute, chat and the end", async () => {
      await chord(patient, "m");
      await until("the clinician to hear nobody", async () => (await listen(desk, 300)).peak.db < -70);
      await says(desk, "has the sound off");
      await chord(patient, "m");
      await chord(patient, "h");
      await tabTo(patient, "chat-input");
      await patient.keyboard.type("By keyboard");
      await patient.keyboard.press("Enter");
      await says(desk, "By keyboard");
      await patient.keyboard.press("Escape");
      await desk.keyboard.press("?");
      await says(desk, "Alt A");
      await looks(desk, "clinic-keys");
      await desk.keyboard.press("Escape");
      await chord(desk, "l");
      await tabTo(desk, "confirm-end", "Enter");
      await shown(patient, "closed");
      await shown(desk, "closed");
      assert.deepEqual([...desk.troubles, ...patient.troubles], []);
    });
  });

/** Moves by Tab until this control has the focus, and the focus can be seen; then presses `key` if given. */
async function tabTo(page, testId, key = null) {
  await shown(page, testId);
  for (let presses = 0; presses < 60; presses++) {
    const focused = await page.evaluate((s) => {
      const element = document.activeElement;
      if (!element?.closest(s)) return null;
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
      return { visible: (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2) || boxShadow !== "none", tag: element.outerHTML.slice(0, 120) };
    }, id(testId));
    if (focused) {
      assert.ok(focused.visible, `focus cannot be seen on ${focused.tag}`);
      if (key) await page.keyboard.press(key);
      return;
    }
    await page.keyboard.press("Tab");
  }
  throw new Error(`${page.who} cannot reach ${testId} by Tab`);
}

async function chord(page, letter) {
  await page.keyboard.down("Alt");
  await page.keyboard.press(letter);
  await page.keyboard.up("Alt");
}

/** Nothing is wider than the screen: no sideways scrolling at 360 px. */
async function fits(page) {
  const [wide, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= screen, `${page.who}: ${wide} px of content on ${screen} px`);
}
