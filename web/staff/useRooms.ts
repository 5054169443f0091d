import { useCallback } from "react";
import type { Problem, WaitingRoom, WaitingRoomsPage } from "../identity";
import { useStaff } from "./context";
import { usePages } from "./usePages";

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
  const ask = useCallback(
    async (after: string | null) => {
      const query = new URLSearchParams({ ...(own ? { own: "true" } : {}), ...(after === null ? {} : { after }) });
      const page = await session.ask<WaitingRoomsPage>({ method: "GET", path: `/api/v1/waiting-rooms?${query}` });
      return { items: page.waitingRooms, next: page.next };
    },
    [session, own],
  );
  const { all, next, loading, problem, load } = usePages(ask);
  return { rooms: all, hasMore: next !== null, loading, problem, more: () => void load(next), again: () => void load(null) };
}
