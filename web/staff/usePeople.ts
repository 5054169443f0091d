import { useCallback, useEffect, useRef } from "react";
import { type Listed, PEOPLE_PAGE, PEOPLE_SEARCHED, type PeoplePage, type Problem } from "../identity";
import { useStaff, useStaffState } from "./context";
import { usePages } from "./usePages";

interface People {
  /** None until the first page is here. */
  people: readonly Listed[] | null;
  hasMore: boolean;
  loading: boolean;
  problem: Problem | null;
  more: () => void;
  again: () => void;
  /** Somebody as the server answered just now. */
  put: (person: Listed) => void;
}

/** Who works here, page by page; with `all`, to the end: names are encrypted where they are kept, so only here they can be searched. */
export function usePeople(all: boolean): People {
  const { session } = useStaff();
  const { trouble } = useStaffState();
  const ask = useCallback(
    async (after: string | null) => {
      const query = new URLSearchParams({ limit: String(PEOPLE_PAGE), ...(after === null ? {} : { after }) });
      const page = await session.ask<PeoplePage>({ method: "GET", path: `/api/v1/people?${query}` });
      return { items: page.people, next: page.next };
    },
    [session],
  );
  const { all: people, setAll: setPeople, next, loading, problem, load } = usePages(ask);
  // The connection is back: what was seen meanwhile may be old.
  const troubled = useRef(false);
  useEffect(() => {
    if (troubled.current && trouble === null) void load(null);
    troubled.current = trouble !== null;
  }, [trouble, load]);

  const known = people?.length ?? 0;
  useEffect(() => {
    // What failed is tried again when somebody asks for it.
    if (all && next !== null && !loading && problem === null && known < PEOPLE_SEARCHED) void load(next);
  }, [all, next, loading, problem, known, load]);

  return {
    people,
    hasMore: next !== null,
    loading,
    problem,
    more: () => {
      if (!loading) void load(next);
    },
    again: () => void load(people === null ? null : next),
    put: (person) =>
      setPeople((before) =>
        before === null
          ? before
          : before.some((one) => one.id === person.id)
            ? before.map((one) => (one.id === person.id ? person : one))
            : [...before, person],
      ),
  };
}
