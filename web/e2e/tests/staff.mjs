/** The first administrator joins, signs out and in again, locks, and invites somebody, who joins. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "../lib/test.mjs";
import { cast } from "../lib/cast.mjs";
import { gone, id, press, says, shown, write } from "../lib/journeys.mjs";
import { looks } from "../lib/looks.mjs";
import { serve } from "../lib/server.mjs";
import { totp } from "../lib/totp.mjs";
import { until } from "../lib/until.mjs";

const PASSWORD = "correct horse battery";

export default () =>
  describe("people who work at the clinic", () => {
    let server, person, page, email, key, recovery, invitation;
    before(async () => {
      server = await serve();
      person = await cast.clinicianInChromium();
    });
    after(async () => {
      await page?.close();
      await server?.stop();
    });

    test("the first administrator joins", async () => {
      page = await person.open(server.links.administrator, { own: true });
      ({ email, key, recovery } = await joins(page));
      await at(page, "/admin");
      await says(page, "Everything works");
      await looks(page, "staff-status");
      await press(page, "section-people");
      await says(page, email);
      await looks(page, "staff-admin");
    });

    test("signs out, and in again with both factors", async () => {
      await press(page, "sign-out");
      await at(page, "/sign-in");
      await says(page, "You have signed out");
      await looks(page, "staff-sign-in");
      await page.goto(`${server.url}/admin`);
      await at(page, "/sign-in");
      assert.equal(new URL(page.url()).searchParams.get("to"), "/admin");
      await write(page, "email", email);
      await write(page, "password", "not the password");
      await press(page, "next");
      await says(page, "is not right");
      await page.$eval(id("password"), (field) => field.select());
      await write(page, "password", PASSWORD);
      await press(page, "next");
      await shown(page, "code");
      // The code of now was used to join.
      await write(page, "code", totp(key, 1));
      await press(page, "finish");
      await at(page, "/admin");
      await press(page, "section-people");
      await shown(page, "person");
    });

    test("stays signed in when the page is loaded again, and locks", async () => {
      await page.reload();
      await shown(page, "person");
      await press(page, "lock-now");
      await shown(page, "lock");
      const [tree, text] = [JSON.stringify(await page.accessibility.snapshot()), await page.evaluate(() => document.body.innerText)];
      for (const seen of [tree, text]) assert.ok(!seen.includes(email), "what was shown is out of reach");
      await page.reload();
      await shown(page, "lock");
      await write(page, "password", "not the password");
      await press(page, "show-proof");
      await says(page, "is not right");
      await write(page, "password", PASSWORD);
      await press(page, "show-proof");
      await gone(page, "lock");
      await shown(page, "person");
    });

    test("invites somebody, who joins and sees no list", async () => {
      await press(page, "invite");
      await write(page, "new-email", "sam.tan@riverside.example");
      await write(page, "new-name", "Sam Tan");
      await press(page, "role-scheduler");
      await press(page, "make");
      await shown(page, "link");
      invitation = await page.$eval(id("link"), (field) => field.value);
      const other = await person.open(invitation, { own: true });
      await says(other, "Welcome, Sam Tan");
      assert.equal(new URL(other.url()).hash, "", "the secret is out of the address");
      await joins(other);
      await shown(other, "joined");
      await other.goto(`${server.url}/admin`);
      await says(other, "for administrators and auditors");
      assert.deepEqual(other.troubles, []);
      await other.close();
      const late = await person.open(invitation, { own: true });
      await says(late, "This invitation does not work any more");
      await late.close();
    });

    test("gives a clinician a waiting room, who opens it", async () => {
      await press(page, "another");
      await write(page, "new-email", "amara.lee@riverside.example");
      await write(page, "new-name", "Dr Amara Lee");
      await press(page, "role-clinician");
      await press(page, "make");
      await shown(page, "link");
      const link = await page.$eval(id("link"), (field) => field.value);
      const other = await person.open(link, { own: true });
      await joins(other);
      await at(other, "/rooms");
      await says(other, "You serve no waiting room yet");

      const open = await page.$$eval('[data-testid="person"] button', (buttons) => buttons.find((button) => button.textContent === "Dr Amara Lee")?.dataset.testid);
      await press(page, open);
      await shown(page, "duties");
      const duty = await until("the rooms to be listed", () =>
        page.$$eval('[data-testid^="duty-"]', (boxes) => boxes[0]?.dataset.testid ?? null),
      );
      await press(page, duty);
      await press(page, "save-duties");
      await gone(page, "save-duties");

      // Believed for two seconds: they look again until it is there.
      await until("the clinician to see their room", async () => {
        await other.evaluate((again) => document.querySelector(again)?.click(), id("look-again"));
        return (await other.$$(id("room"))).length === 1;
      });
      await looks(other, "staff-rooms");
      await press(other, duty.replace("duty-", "open-room-"));
      await at(other, "/clinic");
      await shown(other, "queue");
      await other.reload();
      await shown(other, "queue");
      await other.close();
    });

    test("makes a key for another system, which reads until the key is revoked", async () => {
      await press(page, "section-systems");
      await press(page, "new-key");
      await write(page, "system-name", "Lakeside laboratory");
      await press(page, "scope-people:read");
      await press(page, "make-key");
      await shown(page, "partner-key");
      const key = await page.$eval(id("partner-key"), (field) => field.value);
      // Another organisation's system is no browser.
      const asks = (path) => fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${key}` } });
      const people = await (await asks("/api/v1/people")).json();
      assert.ok(people.people.some(({ email: one }) => one === email));
      assert.equal((await asks("/api/v1/waiting-rooms")).status, 403, "what was not ticked stays closed");
      await press(page, "key-copied");
      await says(page, "Who works here, with names and roles");
      await press(page, await page.$eval('[data-testid^="revoke-"]', (button) => button.dataset.testid));
      await press(page, "revoke-yes");
      await says(page, "Revoked");
      assert.equal((await asks("/api/v1/people")).status, 401);
      await press(page, "section-people");
      await shown(page, "person");
    });

    test("a recovery code lets somebody in once", async () => {
      await press(page, "sign-out");
      await at(page, "/sign-in");
      await write(page, "email", email);
      await write(page, "password", PASSWORD);
      await press(page, "next");
      await shown(page, "code");
      await press(page, "other-way");
      await write(page, "recovery", recovery[0].toLowerCase().replaceAll("-", " "));
      await press(page, "finish");
      await at(page, "/admin");
      await press(page, "section-people");
      await shown(page, "person");
      // Refusals that were asked for are all that the console has.
      assert.deepEqual(page.troubles.filter((trouble) => !/status of 401/.test(trouble)), []);
    });
  });

/** From an invitation to a page of one's own. */
async function joins(page) {
  await shown(page, "password");
  const email = await page.$eval('input[autocomplete="username"]', (field) => field.value);
  await write(page, "password", PASSWORD);
  await press(page, "next");
  await shown(page, "qr");
  const key = await page.$eval(id("key"), (element) => element.textContent);
  await write(page, "code", totp(key));
  await press(page, "connect");
  await shown(page, "codes");
  const recovery = await page.$$eval(`${id("codes")} li`, (codes) => codes.map((code) => code.textContent));
  assert.equal(new Set(recovery).size, 10);
  await press(page, "on");
  await says(page, "Keep the codes first");
  await press(page, "kept");
  await press(page, "on");
  return { email, key, recovery };
}

/** Waits until the page has this path. */
const at = (page, path) => until(`${page.who} to be at ${path}`, () => new URL(page.url()).pathname === path);
