import { useWords } from "../i18n";
import { PEOPLE_SEARCHED } from "../identity";
import { Select, TextField } from "../ui/Field/Field";
import { findPeople, type Order, orders } from "./findPeople";
import type { usePeople } from "./usePeople";

/** Who is looked for, and in which order. */
export interface Wanted {
  search: string;
  order: Order;
}

export const everybody: Wanted = { search: "", order: "added" };
/** Longest search, characters: nobody is called so long. */
const MAX_SEARCH_CHARS = 100;

/** Whether the list has to be there in full. */
export const isNarrow = ({ search, order }: Wanted) => search.trim() !== "" || order !== "added";

interface Props {
  wanted: Wanted;
  onWant: (wanted: Wanted) => void;
  list: ReturnType<typeof usePeople>;
}

/** A box for names and addresses, and the order of the list. */
export function PeopleSearch({ wanted, onWant, list }: Props) {
  const { t, language } = useWords();
  const { people, hasMore, problem } = list;
  if (people === null) return null;
  const narrow = isNarrow(wanted);
  const looking = narrow && hasMore && problem === null && people.length < PEOPLE_SEARCHED;
  const found = findPeople(people, wanted.search, "added", language).length;
  return (
    <div className="people__search" role="search" aria-label={t("find.label")}>
      <TextField
        label={t("find.search")}
        type="search"
        value={wanted.search}
        maxLength={MAX_SEARCH_CHARS}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => onWant({ ...wanted, search: event.target.value })}
        data-testid="search"
      />
      <Select label={t("find.order")} value={wanted.order} onChange={(event) => onWant({ ...wanted, order: event.target.value as Order })} data-testid="order">
        {orders.map((order) => (
          <option key={order} value={order}>
            {t(`find.order.${order}`)}
          </option>
        ))}
      </Select>
      <p className="people__found quiet figures" role="status" data-testid="found">
        {looking
          ? t("find.looking", { count: people.length })
          : (hasMore ? narrow : wanted.search.trim() !== "") && t(hasMore ? "find.found-so-far" : "find.found", { count: found, all: people.length })}
      </p>
    </div>
  );
}
