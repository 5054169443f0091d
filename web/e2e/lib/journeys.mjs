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
  await page.click(selector);
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
export function says(page, words, options) {
  return until(`${page.who} to read "${words}"`, () => page.evaluate((w) => document.body.innerText.includes(w), words), options);
}

/** A patient's way from the link to the waiting room. */
export async function checkIn(page) {
  await press(page, "open-devices");
  await until(`${page.who} to see themselves`, async () =>
    (await coloursOf(page, id("self-video"))).some((seen) => isColour(seen, page.person.colour)),
  );
  await press(page, "ready");
  await shown(page, "place");
}

/** How many are ahead, as the patient reads it. */
export function place(page) {
  return page.evaluate((s) => Number(document.querySelector(s)?.dataset.ahead ?? NaN), id("place"));
}
