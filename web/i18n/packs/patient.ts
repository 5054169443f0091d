/** One file of words for each language: nobody downloads a language they do not read. */
import type { Packs } from "../index";

export const patientPacks: Packs = {
  en: () => import("./patient.en").then((pack) => pack.default),
  es: () => import("./patient.es").then((pack) => pack.default),
};
