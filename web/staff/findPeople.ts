import { type Listed, type PersonState, staffRoles } from "../identity";

export const orders = ["added", "name", "role", "state"] as const;
export type Order = (typeof orders)[number];

/** Those for whom somebody has to do something first. */
const states: readonly PersonState[] = ["invitation-expired", "invited", "active", "disabled"];

/** As people type it: without accents, in small letters. */
const plain = (text: string) => text.normalize("NFD").replaceAll(/\p{M}/gu, "").toLowerCase();

/** Who has every word of a search in their name or address, in an order. */
export function findPeople(people: readonly Listed[], search: string, order: Order, language: string): readonly Listed[] {
  const words = plain(search).split(/\s+/).filter((word) => word !== "");
  const fits = ({ name, email }: Listed) => {
    const text = plain(`${name} ${email}`);
    return words.every((word) => text.includes(word));
  };
  const found = words.length === 0 ? people : people.filter(fits);
  if (order === "added") return found;
  const collator = new Intl.Collator(language, { sensitivity: "base", numeric: true });
  const first = ({ roles }: Listed) => staffRoles.findIndex((role) => roles.includes(role));
  const rank = (person: Listed) => (order === "role" ? first(person) : order === "state" ? states.indexOf(person.state) : 0);
  return [...found].sort((one, other) => rank(one) - rank(other) || collator.compare(one.name, other.name));
}
