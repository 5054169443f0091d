/** The browsers of the run, each started when first needed and kept for all tests. */
import { chromium, firefox } from "./browsers.mjs";
import { PEOPLE } from "./people.mjs";

const started = new Map();

function once(name, launch) {
  if (!started.has(name)) started.set(name, launch());
  return started.get(name);
}

export const cast = {
  /** Chromium that sends the clinician's colour and tone through the real capture path. */
  clinicianInChromium: () => once("clinician", () => chromium(PEOPLE.clinician)),
  /** Chromium that sends the patient's. */
  patientInChromium: () => once("patient", () => chromium(PEOPLE.patient)),
  /** Firefox; whoever opens a page in it brings an identity. */
  firefox: () => once("firefox", () => firefox(PEOPLE.patient)),
};
