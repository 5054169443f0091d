/** One file of words for each language: nobody downloads a language they do not read. */
import type { Packs } from "../index";

export const clinicPacks: Packs = {
  en: () => import("./clinic.en").then((pack) => pack.default),
  es: () => import("./clinic.es").then((pack) => pack.default),
};
