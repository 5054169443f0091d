import { useCallback, useEffect, useRef, useState } from "react";
import { type EmergencyPage, Problem } from "../identity";
import { useStaff } from "./context";

/** How often it is asked: with the server's own second, people hear of an emergency within five. */
const EVERY_MS = 3_000;

export type Which = "open" | "unreviewed" | "all";

/** The emergencies of the unit, brought up to date every three seconds. */
export function useEmergencies(which: Which): { page: EmergencyPage | null; problem: Problem | null; again: () => void } {
  const { session } = useStaff();
  const [page, setPage] = useState<EmergencyPage | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const asking = useRef(false);
  const load = useCallback(async () => {
    // One at a time: a locked page waits here until it is unlocked.
    if (asking.current) return;
    asking.current = true;
    try {
      setPage(await session.ask<EmergencyPage>({ method: "GET", path: `/api/v1/emergencies?which=${which}` }));
      setProblem(null);
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem("internal"));
    } finally {
      asking.current = false;
    }
  }, [session, which]);
  useEffect(() => {
    void load();
    const timer = setInterval(() => void load(), EVERY_MS);
    return () => clearInterval(timer);
  }, [load]);
  return { page, problem, again: () => void load() };
}
