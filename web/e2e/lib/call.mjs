/** A call in course, for tests that begin there. */
import { cast } from "./cast.mjs";
import { REMOTE, admit, checkIn, invite, openDesk } from "./journeys.mjs";
import { PEOPLE } from "./people.mjs";
import { hears, seesColour, seesMotion } from "./perception.mjs";

/** Opens the desk and a patient, admits, and waits until both see and hear each other. */
export async function call(server, { clinicianIn = cast.clinicianInChromium, patientIn = cast.firefox, name = "Rosa Medina" } = {}) {
  const desk = await openedDesk(server, clinicianIn);
  const { page: patient, link } = await waiting(desk, { patientIn, name });
  await admit(desk, name);
  await together(desk, patient);
  return { desk, patient, link, close: () => Promise.all([desk.close(), patient.close()]) };
}

export async function openedDesk(server, clinicianIn = cast.clinicianInChromium) {
  const desk = await (await clinicianIn()).open(server.links.clinic, { as: PEOPLE.clinician, own: true });
  await openDesk(desk);
  return desk;
}

/** Invites somebody and lets them check in. */
export async function waiting(desk, { patientIn = cast.firefox, name, as = PEOPLE.patient, modality = "video" }) {
  const link = await invite(desk, name);
  const page = await (await patientIn()).open(link, { as, own: true });
  await checkIn(page, modality);
  return { page, link };
}

/** Both see and hear each other, live, and nobody else. */
export function together(desk, patient, options) {
  return Promise.all([
    seesColour(desk, REMOTE, patient.person.colour, options),
    seesColour(patient, REMOTE, desk.person.colour, options),
    seesMotion(desk, REMOTE, options),
    seesMotion(patient, REMOTE, options),
    hears(desk, patient.person, options),
    hears(patient, desk.person, options),
  ]);
}
