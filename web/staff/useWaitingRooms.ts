import { useEffect, useState } from "react";
import type { WaitingRoom } from "../identity";
import { useStaff } from "./context";

/** Pages that are read at most: fifty waiting rooms each. Beyond it a waiting room is shown by its id. */
const PAGES = 10;

/** The waiting rooms of the unit; none until they are here, or while they cannot be had. */
export function useWaitingRooms(): readonly WaitingRoom[] {
  const { session } = useStaff();
  const [rooms, setRooms] = useState<readonly WaitingRoom[]>([]);
  useEffect(() => {
    let gone = false;
    const load = async () => {
      let after: string | null = null;
      const all: WaitingRoom[] = [];
      for (let page = 0; page < PAGES; page += 1) {
        const query: string = after === null ? "" : `?after=${after}`;
        const answer: { waitingRooms: WaitingRoom[]; next: string | null } = await session.ask({
          method: "GET",
          path: `/api/v1/waiting-rooms${query}`,
        });
        all.push(...answer.waitingRooms);
        after = answer.next;
        if (after === null) break;
      }
      if (!gone) setRooms(all);
    };
    // Without names the page works all the same.
    load().catch(() => undefined);
    return () => {
      gone = true;
    };
  }, [session]);
  return rooms;
}

/** Whose waiting room it is; the beginning of its id, where that is not known. */
export function roomName(rooms: readonly WaitingRoom[], id: string | null | undefined): string {
  return rooms.find((room) => room.id === id)?.practitioner ?? (id ?? "").slice(0, 8);
}
