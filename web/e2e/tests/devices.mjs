/** Devices that refuse: a camera that is denied, and sound that the browser holds back. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "../lib/test.mjs";
import { chromium, firefox } from "../lib/browsers.mjs";
import { openedDesk, together } from "../lib/call.mjs";
import { REMOTE, admit, checkIn, choose, gone, id, invite, press, reopen, says, shown } from "../lib/journeys.mjs";
import { looks } from "../lib/looks.mjs";
import { PEOPLE } from "../lib/people.mjs";
import { coloursOf, hears, seesColour } from "../lib/perception.mjs";
import { serve } from "../lib/server.mjs";
import { until } from "../lib/until.mjs";

export default () =>
  describe("devices that refuse", () => {
    let server, desk;
    before(async () => {
      server = await serve();
      desk = await openedDesk(server);
    });
    after(async () => {
      await desk?.close();
      await server?.stop();
    });

    test("camera denied: the page says so, sound only goes on, and the clinician knows", async () => {
      const browser = await chromium(PEOPLE.patient, { permissions: ["microphone"] });
      const page = await browser.open(await invite(desk, "Denied Camera"));
      await press(page, "open-devices");
      await until("the fault to be named", () =>
        page.$eval(id("problem"), (element) => element.dataset.code === "camera-blocked").catch(() => false),
      );
      await says(page, "Your browser is blocking the camera");
      await says(page, "You can still talk and listen.");
      await looks(page, "patient-camera-denied");
      await press(page, "sound-only");
      await says(page, "Sound only: your camera stays off.");
      await press(page, "ready");
      await shown(page, "place");
      await says(desk, "Picture off");
      await choose(desk, "Denied Camera");
      await says(desk, "sound only");
      await admit(desk, "Denied Camera");
      await Promise.all([hears(desk, PEOPLE.patient), hears(page, PEOPLE.clinician), seesColour(page, REMOTE, PEOPLE.clinician.colour)]);
      assert.deepEqual(await coloursOf(desk, REMOTE), []);
      await says(desk, "has the camera off");
      await looks(desk, "clinic-call-sound-only");
      await endAndClose(page);
      await browser.close();
    });

    test("sound held back after a reload: Tap to hear, and one tap is enough", async () => {
      const browser = await firefox(PEOPLE.patient, { autoplay: false });
      const page = await browser.open(await invite(desk, "Tap Patient"));
      await checkIn(page);
      await admit(desk, "Tap Patient");
      await together(desk, page);
      // Asking the page counts as a gesture and would let the sound out, so the page tells by itself.
      await page.evaluateOnNewDocument(tellWhenHeldBack, id("tap-to-hear"));
      let heldBack = false;
      page.on("console", (message) => (heldBack ||= message.text() === "held back"));
      await page.reload();
      await until("the sound to be held back", () => heldBack);
      await looks(page, "patient-tap-to-hear");
      await assert.rejects(hears(page, PEOPLE.clinician, { within: 1_500 }), /waited/, "nothing is let out before the tap");
      await press(page, "tap-to-hear");
      await gone(page, "tap-to-hear");
      await reopen(page);
      await together(desk, page);
      await endAndClose(page);
      await browser.close();
    });

    function tellWhenHeldBack(selector) {
      const watch = setInterval(() => {
        if (!document.querySelector(selector)) return;
        clearInterval(watch);
        console.info("held back");
      }, 50);
    }

    async function endAndClose(page) {
      await press(desk, "end");
      await press(desk, "confirm-end");
      await shown(desk, "closed");
      await shown(page, "closed");
      await press(desk, "back");
    }
  });
