/** One file of words for each app and language: nobody downloads a language they do not read. */
import type { Packs } from "../index";

export const patientPacks: Packs = {
  en: () => import("./patient.en").then((pack) => pack.default),
  es: () => import("./patient.es").then((pack) => pack.default),
};

export const clinicPacks: Packs = {
  en: () => import("./clinic.en").then((pack) => pack.default),
  es: () => import("./clinic.es").then((pack) => pack.default),
};
