/** Passkeys with Chromium's own virtual authenticator: made while joining, shown alone, at the lock, never the last one removed. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "../lib/test.mjs";
import { cast } from "../lib/cast.mjs";
import { figure } from "../lib/figures.mjs";
import { gone, id, press, says, shown } from "../lib/journeys.mjs";
import { looks } from "../lib/looks.mjs";
import { serve } from "../lib/server.mjs";
import { until } from "../lib/until.mjs";

export default () =>
  describe("passkeys", () => {
    let server, person, page, cdp, authenticator;
    before(async () => {
      server = await serve();
      person = await cast.clinicianInChromium();
    });
    after(async () => {
      await page?.close();
      await server?.stop();
    });

    test("somebody joins with a passkey and nothing else", async () => {
      page = await person.open(server.links.administrator, { own: true });
      cdp = await page.createCDPSession();
      await cdp.send("WebAuthn.enable", { enableUI: false });
      ({ authenticatorId: authenticator } = await cdp.send("WebAuthn.addVirtualAuthenticator", { options: device("internal") }));
      await shown(page, "join-passkey");
      // The page is left at once: nobody could look whether the press landed.
      await page.click(id("join-passkey"));
      await at(page, "/admin");
      await press(page, "section-people");
      await shown(page, "person");
      const { credentials } = await cdp.send("WebAuthn.getCredentials", { authenticatorId: authenticator });
      assert.deepEqual([credentials.length, credentials[0].rpId, credentials[0].isResidentCredential], [1, "localhost", true]);
    });

    test("and signs in by it alone, by a press", async () => {
      await silent(true);
      await press(page, "sign-out");
      await at(page, "/sign-in");
      await shown(page, "passkey");
      await looks(page, "passkey-sign-in");
      await silent(false);
      await press(page, "passkey");
      await at(page, "/admin");
      await press(page, "section-people");
      await shown(page, "person");
    });

    test("unlocks with it within two seconds", async () => {
      await press(page, "lock-now");
      await shown(page, "lock");
      const began = performance.now();
      await press(page, "show-proof");
      await gone(page, "lock");
      const took = performance.now() - began;
      assert.ok(took <= 2_000, `${Math.round(took)} ms`);
      figure("unlock with a passkey, ms", took);
    });

    test("who is not verified by the device does not get in", async () => {
      await press(page, "lock-now");
      await shown(page, "lock");
      await cdp.send("WebAuthn.setUserVerified", { authenticatorId: authenticator, isUserVerified: false });
      await press(page, "show-proof");
      await says(page, "Your device did not show a passkey");
      await cdp.send("WebAuthn.setUserVerified", { authenticatorId: authenticator, isUserVerified: true });
      await press(page, "show-proof");
      await gone(page, "lock");
    });

    test("the last way in stays", async () => {
      await page.goto(`${server.url}/account`);
      await shown(page, "passkeys");
      await looks(page, "passkey-account");
      await press(page, "remove-passkey");
      await press(page, "yes");
      await says(page, "This is your only way to sign in");
      assert.deepEqual(
        page.troubles.filter((trouble) => !/status of 409/.test(trouble)),
        [],
      );
    });

    /** The device is there, and nobody touches it. */
    const silent = (quiet) => cdp.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId: authenticator, enabled: !quiet });
  });

const device = (transport) => ({
  protocol: "ctap2",
  transport,
  hasResidentKey: true,
  hasUserVerification: true,
  isUserVerified: true,
  automaticPresenceSimulation: true,
});

/** Waits until the page has this path. */
const at = (page, path) => until(`${page.who} to be at ${path}`, () => new URL(page.url()).pathname === path);
