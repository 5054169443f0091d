import { useCallback, useEffect, useRef, useState } from "react";
import { type Listed, PEOPLE_PAGE, type PeoplePage, Problem } from "../identity";
import { useStaff, useStaffState } from "./context";

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

/** Who works here, page by page. */
export function usePeople(): People {
  const { session } = useStaff();
  const { trouble } = useStaffState();
  const [people, setPeople] = useState<readonly Listed[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [loading, setLoading] = useState(true);
  const [problem, setProblem] = useState<Problem | null>(null);
  const asked = useRef(0);

  const load = useCallback(
    async (after: string | null) => {
      asked.current += 1;
      const mine = asked.current;
      setLoading(true);
      setProblem(null);
      try {
        const query = new URLSearchParams({ limit: String(PEOPLE_PAGE), ...(after === null ? {} : { after }) });
        const page = await session.ask<PeoplePage>({ method: "GET", path: `/api/v1/people?${query}` });
        if (mine !== asked.current) return;
        setPeople((before) => (after === null ? page.people : [...(before ?? []), ...page.people]));
        setNext(page.next);
      } catch (error) {
        if (mine === asked.current) setProblem(error instanceof Problem ? error : new Problem("internal"));
      } finally {
        if (mine === asked.current) setLoading(false);
      }
    },
    [session],
  );

  useEffect(() => void load(null), [load]);
  // The connection is back: what was seen meanwhile may be old.
  const troubled = useRef(false);
  useEffect(() => {
    if (troubled.current && trouble === null) void load(null);
    troubled.current = trouble !== null;
  }, [trouble, load]);

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
