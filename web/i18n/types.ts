/** Types that make a missing key or a missing value a compile error. */
import type { clinic } from "./en/clinic";
import type { oversight } from "./en/oversight";
import type { patient } from "./en/patient";
import type { problems } from "./en/problems";
import type { shared } from "./en/shared";
import type { staff } from "./en/staff";
import type { systems } from "./en/systems";
import type { trail } from "./en/trail";

export type Language = "en" | "es";

/** A catalogue with exactly the keys of the English one. */
export type Translation<English> = { readonly [Key in keyof English]: string };

type English = typeof shared &
  typeof problems &
  typeof patient &
  typeof clinic &
  typeof staff &
  typeof systems &
  typeof trail &
  typeof oversight;
type Raw = keyof English & string;
type WithoutPlural<K extends string> = K extends `${infer Base}_one` | `${infer Base}_other` ? Base : K;

/** What may be said. Plural forms are one key. */
export type Key = WithoutPlural<Raw>;

type Values<Text> = Text extends `${string}{{${infer Name}}}${infer Rest}` ? Name | Values<Rest> : never;
type Texts<K extends Key> = K extends Raw ? English[K] : English[`${K}_other` & Raw] | English[`${K}_one` & Raw];
type Plural<K extends Key> = K extends Raw ? never : "count";

/** The values a text needs: none, or an object naming each. */
export type Needs<K extends Key> = [Values<Texts<K>> | Plural<K>] extends [never]
  ? []
  : [values: { [Name in Values<Texts<K>> | Plural<K>]: Name extends "count" ? number : string | number }];

/** Says something in the current language. */
export type Say = <K extends Key>(key: K, ...needs: Needs<K>) => string;
