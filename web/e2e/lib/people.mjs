/**
 * Who is who. Each person sends one colour and one tone that nobody else has, so that a picture or
 * a sound that reaches the wrong place is recognised, not merely noticed.
 *
 * Tones are no harmonics of one another; colours survive 4:2:0 and the limited range of video.
 */
export const PEOPLE = {
  clinician: { name: "clinician", colour: [200, 40, 40], tone: 523 },
  patient: { name: "patient", colour: [30, 140, 150], tone: 887 },
  stranger: { name: "stranger", colour: [50, 70, 210], tone: 1327 },
  third: { name: "third", colour: [190, 160, 40], tone: 1861 },
};

/** What a shared screen shows: Chromium's own fake screen; a page that fills Firefox's display. */
export const SCREENS = { chromium: [0, 137, 0], firefox: [150, 50, 170] };

/** Largest distance per channel at which a decoded colour still counts as the one sent. */
const COLOUR_TOLERANCE = 36;

/** True when `seen` is `colour` within what a video codec does to it. */
export function isColour(seen, colour) {
  return seen != null && seen.every((value, channel) => Math.abs(value - colour[channel]) <= COLOUR_TOLERANCE);
}

/** Quietest level (dB of full scale in one FFT bin) that counts as heard. */
const HEARD_DB = -55;
/** How much louder the one tone must be than anybody else's. */
const APART_DB = 25;

/**
 * Judges levels by tone (`{523: -20, 887: -110, …}`): names the one person heard, `null` for
 * silence, and throws when two are heard at once.
 */
export function whoIsHeard(levels) {
  const heard = Object.values(PEOPLE)
    .map((person) => ({ person, level: levels[person.tone] }))
    .sort((a, b) => b.level - a.level);
  const [first, second] = heard;
  if (first.level < HEARD_DB) return null;
  if (second.level > first.level - APART_DB) {
    throw new Error(`heard ${first.person.name} and ${second.person.name} at once: ${JSON.stringify(levels)}`);
  }
  return first.person;
}
