import { useCallback, useEffect, useRef, useState } from "react";
import { Problem, type WaitingRoom, type WaitingRoomsPage } from "../identity";
import { useStaff } from "./context";

interface Rooms {
  /** None until the first page is here. */
  rooms: readonly WaitingRoom[] | null;
  hasMore: boolean;
  loading: boolean;
  problem: Problem | null;
  more: () => void;
  again: () => void;
}

/** The waiting rooms of the unit, or only those whose seat is theirs to take; page by page. */
export function useRooms(own: boolean): Rooms {
  const { session } = useStaff();
  const [rooms, setRooms] = useState<readonly WaitingRoom[] | null>(null);
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
        const query = new URLSearchParams({ ...(own ? { own: "true" } : {}), ...(after === null ? {} : { after }) });
        const page = await session.ask<WaitingRoomsPage>({ method: "GET", path: `/api/v1/waiting-rooms?${query}` });
        if (mine !== asked.current) return;
        setRooms((before) => (after === null ? page.waitingRooms : [...(before ?? []), ...page.waitingRooms]));
        setNext(page.next);
      } catch (error) {
        if (mine === asked.current) setProblem(error instanceof Problem ? error : new Problem("internal"));
      } finally {
        if (mine === asked.current) setLoading(false);
      }
    },
    [session, own],
  );
  useEffect(() => void load(null), [load]);
  return { rooms, hasMore: next !== null, loading, problem, more: () => void load(next), again: () => void load(null) };
}
