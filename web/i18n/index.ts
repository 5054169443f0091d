/** Words in the reader's language: one hook, typed keys, one file of words for each app and language. */
import { useSyncExternalStore } from "react";
import type { Key, Language, Say } from "./types";
import { type Catalogue, format } from "./words";

export type { Key, Language, Say } from "./types";

export const languages: readonly { code: Language; name: string }[] = [
  { code: "en", name: "English" },
  { code: "es", name: "Español" },
];

/** The words of one app by language, fetched when they are wanted. */
export type Packs = Readonly<Record<Language, () => Promise<Catalogue>>>;

const STORED = "telehealth.language";

let packs: Packs | null = null;
let current: { language: Language; catalogue: Catalogue } = { language: "en", catalogue: {} };
const listeners = new Set<() => void>();

/** The language chosen before, else the first of the browser's that we speak, else English. */
export function preferredLanguage(chosen: string | null, wanted: readonly string[]): Language {
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
export async function startWords(words: Packs, language?: Language): Promise<void> {
  packs = words;
  await speak(language ?? preferredLanguage(stored(), navigator.languages));
}

/** Changes the language and remembers it. When the words cannot be fetched, it stays as it is. */
export async function chooseLanguage(language: Language): Promise<void> {
  try {
    await speak(language);
    localStorage.setItem(STORED, language);
  } catch {
    // Offline, or storage is switched off; nothing else is lost.
  }
}

async function speak(language: Language): Promise<void> {
  if (packs === null) return;
  const catalogue = await packs[language]();
  current = { language, catalogue };
  document.documentElement.lang = language;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Says something in the language of now. */
export const say: Say = (key, ...needs) => format(current.catalogue, current.language, key, needs[0]);

/** The words and the language; renders again when the language changes. */
export function useWords(): { t: Say; language: Language } {
  const { language } = useSyncExternalStore(subscribe, () => current);
  return { t: say, language };
}

/** Whether a key built at run time (an error code from the server) has words. */
export function hasWords(key: string): key is Key {
  return key in current.catalogue;
}
