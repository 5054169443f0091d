/** Words in the reader's language. One small hook over i18next; the catalogues are typed. */
import i18next from "i18next";
import { useSyncExternalStore } from "react";
import { problems as enProblems } from "./en/problems";
import { shared as enShared } from "./en/shared";
import { problems as esProblems } from "./es/problems";
import { shared as esShared } from "./es/shared";
import type { Key, Language, Say } from "./types";

export type { Key, Language, Say } from "./types";

export const languages: readonly { code: Language; name: string }[] = [
  { code: "en", name: "English" },
  { code: "es", name: "Español" },
];

const STORED = "telehealth.language";
const i18n = i18next.createInstance();

/** The words of one app, added to those that all share. */
export interface AppWords {
  en: Record<string, string>;
  es: Record<string, string>;
}

/** The language chosen before, else the first of the browser's that we speak, else English. */
export function preferredLanguage(
  chosen: string | null,
  wanted: readonly string[],
): Language {
  for (const tag of chosen === null ? wanted : [chosen, ...wanted]) {
    const code = tag.toLowerCase().split("-")[0];
    const known = languages.find((language) => language.code === code);
    if (known !== undefined) return known.code;
  }
  return "en";
}

function stored(): string | null {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null; // Storage is switched off: the browser's language is good enough.
  }
}

/** Call once, before the first render. */
export function startWords(words: AppWords, language?: Language): void {
  const lng = language ?? preferredLanguage(stored(), navigator.languages);
  void i18n.init({
    lng,
    fallbackLng: "en",
    initAsync: false,
    keySeparator: false,
    nsSeparator: false,
    interpolation: { escapeValue: false }, // React escapes.
    resources: {
      en: { translation: { ...enShared, ...enProblems, ...words.en } },
      es: { translation: { ...esShared, ...esProblems, ...words.es } },
    },
  });
  document.documentElement.lang = lng;
}

/** Changes the language and remembers it. */
export function chooseLanguage(language: Language): void {
  void i18n.changeLanguage(language);
  document.documentElement.lang = language;
  try {
    localStorage.setItem(STORED, language);
  } catch {
    // Not remembered; nothing else is lost.
  }
}

function subscribe(listener: () => void): () => void {
  i18n.on("languageChanged", listener);
  return () => i18n.off("languageChanged", listener);
}

export const say: Say = (key, ...needs) => i18n.t(key, needs[0] as Record<string, string | number>);

/** The words and the language; renders again when the language changes. */
export function useWords(): { t: Say; language: Language } {
  const language = useSyncExternalStore(subscribe, () => i18n.language as Language);
  return { t: say, language };
}

/** Whether a key built at run time (an error code from the server) has words. */
export function hasWords(key: string): key is Key {
  return i18n.exists(key);
}
