import { useEffect, useRef, useState } from "react";
import { useSessionState } from "../ui/session";

/** Patients' messages not yet looked at, by visit. Looking is choosing the visit. */
export function useUnreadByVisit(open: string | null): (visit: string) => number {
  const { chat, me } = useSessionState();
  const [read, setRead] = useState<Record<string, number>>({});
  const counts = useRef<Record<string, number>>({});
  counts.current = Object.fromEntries(
    Object.entries(chat).map(([visit, messages]) => [visit, messages.filter((message) => message.from !== me).length]),
  );
  const here = open === null ? 0 : (counts.current[open] ?? 0);
  useEffect(() => {
    if (open !== null) setRead((all) => (all[open] === here ? all : { ...all, [open]: here }));
  }, [here, open]);
  return (visit) => (visit === open ? 0 : Math.max(0, (counts.current[visit] ?? 0) - (read[visit] ?? 0)));
}
