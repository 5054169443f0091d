/** The hospital's own sign-in, with a real provider: npm `oidc-provider`, in this process. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import Provider from "oidc-provider";
import { after, before, describe, test } from "../lib/test.mjs";
import { cast } from "../lib/cast.mjs";
import { press, says, shown } from "../lib/journeys.mjs";
import { looks } from "../lib/looks.mjs";
import { scratch } from "../lib/processes.mjs";
import { freePort, serve } from "../lib/server.mjs";
import { until } from "../lib/until.mjs";

/** Who signs in there, and in which groups they are. */
const GROUPS = { amara: ["clinic-doctors"], ines: ["clinic-it", "everybody"], visitor: ["everybody"] };

export default () =>
  describe("the hospital's own sign-in", () => {
    let server, person, hospital;
    before(async () => {
      const port = await freePort();
      const issuer = `http://localhost:${port}`;
      const config = path.join(scratch("provider"), "telehealth.toml");
      writeFileSync(
        config,
        `[identity.provider]
name = "Riverside Hospital"
issuer = "${issuer}"
client_id = "telehealth"
client_secret_env = "E2E_CLIENT_SECRET"
roles = [
    { value = "clinic-doctors", roles = ["clinician"] },
    { value = "clinic-it", roles = ["administrator"] },
]
`,
      );
      server = await serve({ config, env: { E2E_CLIENT_SECRET: "secret of the test" } });
      const provider = new Provider(issuer, {
        clients: [
          {
            client_id: "telehealth",
            client_secret: "secret of the test",
            redirect_uris: [`${server.url}/api/v1/auth/provider/callback`],
            grant_types: ["authorization_code"],
            response_types: ["code"],
          },
        ],
        claims: { openid: ["sub", "groups"], profile: ["name"], email: ["email"] },
        conformIdTokenClaims: false,
        cookies: { keys: ["a key of the test"] },
        findAccount: (_, id) => ({
          accountId: id,
          claims: () => ({ sub: id, name: `Dr ${id}`, email: `${id}@hospital.example`, groups: GROUPS[id] ?? [] }),
        }),
      });
      hospital = provider.listen(port, "127.0.0.1");
      await new Promise((ready) => hospital.once("listening", ready));
      person = await cast.clinicianInChromium();
    });
    after(async () => {
      hospital?.closeAllConnections();
      hospital?.close();
      await server?.stop();
    });

    /** From the button to the provider and back. */
    async function signsIn(name) {
      const page = await person.open(`${server.url}/sign-in?to=/account`, { own: true });
      // The provider's own pages want a font from far away, and here nobody answers for half a minute.
      await page.setRequestInterception(true);
      page.on("request", (request) =>
        ["localhost", "127.0.0.1"].includes(new URL(request.url()).hostname) ? request.continue() : request.abort(),
      );
      await shown(page, "provider");
      await looks(page, "provider-sign-in");
      await page.click('[data-testid="provider"]');
      await page.waitForSelector('input[name="login"]');
      await page.type('input[name="login"]', name);
      await page.type('input[name="password"]', "any");
      await Promise.all([page.waitForNavigation(), page.click('button[type="submit"]')]);
      // Whether they agree that we are told.
      const agree = await page.waitForSelector('button[type="submit"]');
      await Promise.all([page.waitForNavigation(), agree.click()]);
      return page;
    }

    test("lets in whom a group gives a role, as that", async () => {
      const page = await signsIn("amara");
      await until("the account to be shown", () => new URL(page.url()).pathname === "/account");
      await says(page, "amara@hospital.example");
      await says(page, "Clinician");
      await says(page, "Your roles come from there");
      await page.close();
    });

    test("and an administrator to the status and the people", async () => {
      const page = await signsIn("ines");
      await says(page, "Administrator");
      // The page is left at once: nobody could look whether the press landed.
      await shown(page, "home");
      await page.click('[data-testid="home"]');
      await shown(page, "section-people");
      await press(page, "section-people");
      await shown(page, "person");
      await page.close();
    });

    test("and nobody whose groups mean nothing here", async () => {
      const page = await signsIn("visitor");
      await says(page, "you have no role here");
      assert.equal(new URL(page.url()).pathname, "/sign-in");
      await looks(page, "provider-no-role");
      await page.close();
    });
  });
