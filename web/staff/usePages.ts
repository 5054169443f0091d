import { type Dispatch, type SetStateAction, useCallback, useEffect, useRef, useState } from "react";
import { Problem } from "../identity";

interface Pages<T> {
  /** None until the first page is here. */
  all: readonly T[] | null;
  setAll: Dispatch<SetStateAction<readonly T[] | null>>;
  /** Where the next page begins; none after the last. */
  next: string | null;
  loading: boolean;
  problem: Problem | null;
  /** The first page anew, or those after one. */
  load: (after: string | null) => Promise<void>;
}

/** A list that comes page by page. Of several questions under way, the last one counts. `ask` has to stay the same function. */
export function usePages<T>(ask: (after: string | null) => Promise<{ items: readonly T[]; next: string | null }>): Pages<T> {
  const [all, setAll] = useState<readonly T[] | null>(null);
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
        const page = await ask(after);
        if (mine !== asked.current) return;
        setAll((before) => (after === null ? page.items : [...(before ?? []), ...page.items]));
        setNext(page.next);
      } catch (error) {
        if (mine === asked.current) setProblem(error instanceof Problem ? error : new Problem("internal"));
      } finally {
        if (mine === asked.current) setLoading(false);
      }
    },
    [ask],
  );
  useEffect(() => void load(null), [load]);
  return { all, setAll, next, loading, problem, load };
}
