/** One file of words for each language: nobody downloads a language they do not read. */
import type { Packs } from "../index";

export const staffPacks: Packs = {
  en: () => import("./staff.en").then((pack) => pack.default),
  es: () => import("./staff.es").then((pack) => pack.default),
};
