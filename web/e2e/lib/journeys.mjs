/** What people do on the pages, by what stands on the buttons' test ids. */
import { isColour } from "./people.mjs";
import { coloursOf } from "./perception.mjs";
import { until } from "./until.mjs";

export const id = (name) => `[data-testid="${name}"]`;

export const REMOTE = id("remote-video");
export const SCREEN = id("screen-video");

/** Waits for a control that can be used, then presses it as a person would. */
export async function press(page, testId, options) {
  const selector = id(testId);
  await until(
    `${page.who} to be able to press ${testId}`,
    () =>
      page.evaluate((s) => {
        const element = document.querySelector(s);
        return element !== null && !element.disabled && element.getAttribute("aria-disabled") !== "true" && element.checkVisibility();
      }, selector),
    options,
  );
  const clicks = (s) => window.__probe.clicks[s] ?? 0;
  const before = await page.evaluate(clicks, testId);
  await page.click(selector);
  const landed = await page.evaluate(clicks, testId).catch(() => null);
  if (landed === before) throw new Error(`${page.who} pressed ${testId} and the click did not land on it: did it move under the finger?`);
}

/** Waits until something with this test id is shown. */
export function shown(page, testId, options) {
  return until(
    `${page.who} to see ${testId}`,
    () => page.evaluate((s) => document.querySelector(s)?.checkVisibility() ?? false, id(testId)),
    options,
  );
}

export function gone(page, testId, options) {
  return until(`${testId} to go for ${page.who}`, () => page.evaluate((s) => document.querySelector(s) === null, id(testId)), options);
}

/** Waits until the page's text holds these words. */
export async function says(page, words, options) {
  const text = () => page.evaluate(() => document.body.innerText);
  await until(`${page.who} to read "${words}"`, async () => (await text()).includes(words), options).catch(async (error) => {
    throw new Error(`${error.message}; the page says: ${await text()}`);
  });
}

/** A patient's way from the link to the waiting room, by `video` or by `sound` alone. */
export async function checkIn(page, modality = "video") {
  if (modality === "sound") await press(page, "choose-sound");
  await press(page, "open-devices");
  if (modality === "video") {
    await until(`${page.who} to see themselves`, async () =>
      (await coloursOf(page, id("self-video"))).some((seen) => isColour(seen, page.person.colour)),
    );
  }
  await press(page, "ready");
  await shown(page, "place");
}

/** How many are ahead, as the patient reads it. */
export function place(page) {
  return page.evaluate((s) => Number(document.querySelector(s)?.dataset.ahead ?? NaN), id("place"));
}

/** Writes into a field. In Chromium all at once: a round trip for every key is slow on a busy machine. */
export async function write(page, testId, text) {
  await shown(page, testId);
  await page.focus(id(testId));
  if (page.kind === "chromium") await page.keyboard.sendCharacter(text);
  else await page.type(id(testId), text);
}

/** A clinician's way from the link to a desk with camera and microphone on. */
export async function openDesk(page) {
  await shown(page, "home");
  await press(page, "open-devices");
  await until(`${page.who} to see themselves`, async () =>
    (await coloursOf(page, id("self-video"))).some((seen) => isColour(seen, page.person.colour)),
  );
}

/** Makes a visit without an appointment; returns the patient's link. */
export async function invite(desk, name, reason = "Follow-up") {
  await press(desk, "invite");
  await write(desk, "invite-name", name);
  await write(desk, "invite-reason", reason);
  await press(desk, "invite-make");
  await shown(desk, "invite-link");
  const link = await desk.$eval(id("invite-link"), (field) => field.value);
  await desk.keyboard.press("Escape");
  await gone(desk, "invite-link");
  return link;
}

/** Rows of people who wait: in the queue, or in the strip beside a call. */
const WAITING_ROWS = ".queue-row--waiting .queue-row__button, .strip__row";

/** The names of those who wait, in order, as the clinician reads them. */
export function queue(desk) {
  return desk.$$eval(WAITING_ROWS, (rows) => rows.map((row) => row.querySelector("[class$='__name']").textContent));
}

/** Chooses somebody in the queue. */
export async function choose(desk, name) {
  const row = await until(`${desk.who} to see ${name} waiting`, () =>
    desk.evaluateHandle(
      (s, n) => [...document.querySelectorAll(s)].find((element) => element.textContent.includes(n)) ?? null,
      WAITING_ROWS,
      name,
    ).then((handle) => handle.asElement()),
  );
  await row.click();
  await shown(desk, "who");
}

/** Confirms who it is and lets them in. */
export async function admit(desk, name) {
  await choose(desk, name);
  await press(desk, "confirm-name");
  await press(desk, "confirm-birth");
  await press(desk, "admit");
  await shown(desk, "call");
}

/** Ends the visit for everybody. */
export async function end(desk, outcome = "done") {
  await press(desk, "end");
  await press(desk, `choose-${outcome}`);
  await press(desk, "confirm-end");
  await shown(desk, "closed");
}

/** After a reload: turns the devices on where the page has to ask. */
export async function reopen(page) {
  const again = await until(`${page.who} to have devices or be asked`, async () => {
    if (await page.$(id("open-devices"))) return "asked";
    return (await coloursOf(page, id("self-video"))).length > 0 && "open";
  });
  if (again === "asked") await press(page, "open-devices");
}

/** What a person's page said about connecting: offer → connected of its newest connection, milliseconds. */
export async function offerToConnected(page) {
  const [life] = await page.evaluate(() => window.__probe.peers.slice(-1).map(({ offeredAt, connectedAt }) => ({ offeredAt, connectedAt })));
  return { ...life, took: life.connectedAt - life.offeredAt };
}

/** When the newest remote picture showed its first frame, and when nothing covered it any more. */
export function firstFrame(page) {
  return until(`${page.who} to have shown a first frame`, () =>
    page.evaluate(() => window.__probe.firstFrames.findLast(({ testId, uncoveredAt }) => testId === "remote-video" && uncoveredAt)),
  );
}
