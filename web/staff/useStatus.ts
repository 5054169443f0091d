import { useEffect, useRef, useState } from "react";
import { Problem, type Status } from "../identity";
import { useStaff } from "./context";

/** Often enough to see that something is well again, and no burden. */
const EVERY_MS = 10_000;

interface Looked {
  status: Status | null;
  /** When the server last answered, by this device's clock. */
  at: number | null;
  /** Why it could not be brought up to date. */
  problem: Problem | null;
  looking: boolean;
  again: () => void;
}

/** How the platform does, looked at every ten seconds while somebody can see it, and at once when they come back. */
export function useStatus(): Looked {
  const { session } = useStaff();
  const [looked, setLooked] = useState<Omit<Looked, "again">>({ status: null, at: null, problem: null, looking: true });
  const asking = useRef(false);
  const load = useRef(async () => {});
  useEffect(() => {
    let gone = false;
    load.current = async () => {
      // One at a time: a locked page waits here until it is unlocked.
      if (asking.current) return;
      asking.current = true;
      setLooked((before) => ({ ...before, looking: true }));
      try {
        const status = await session.ask<Status>({ method: "GET", path: "/api/v1/status" });
        if (!gone) setLooked({ status, at: Date.now(), problem: null, looking: false });
      } catch (error) {
        const problem = error instanceof Problem ? error : new Problem("internal");
        if (!gone) setLooked((before) => ({ ...before, problem, looking: false }));
      } finally {
        asking.current = false;
      }
    };
    void load.current();
    const look = () => {
      if (document.visibilityState === "visible") void load.current();
    };
    const timer = setInterval(look, EVERY_MS);
    document.addEventListener("visibilitychange", look);
    return () => {
      gone = true;
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [session]);
  return { ...looked, again: () => void load.current() };
}
