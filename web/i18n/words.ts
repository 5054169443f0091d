/**
 * Saying things: `{{value}}` and plural forms by `Intl.PluralRules`, which browsers bring along. The
 * catalogues are written as i18next writes them; its 13 KB would be a tenth of what a patient downloads.
 */
import type { Language } from "./types";

export type Catalogue = Readonly<Record<string, string>>;

/** The text of `key`, with its values, in the plural that `count` asks for. */
export function format(
  catalogue: Catalogue,
  language: Language,
  key: string,
  values: Readonly<Record<string, string | number>> = {},
): string {
  const text = textOf(catalogue, language, key, values["count"]);
  return text.replaceAll(/\{\{(\w+)\}\}/g, (hole, name: string) => {
    const value = values[name];
    return value === undefined ? hole : String(value);
  });
}

function textOf(catalogue: Catalogue, language: Language, key: string, count: string | number | undefined): string {
  if (typeof count === "number") {
    const form = new Intl.PluralRules(language).select(count);
    const plural = catalogue[`${key}_${form}`] ?? catalogue[`${key}_other`];
    if (plural !== undefined) return plural;
  }
  return catalogue[key] ?? key;
}
