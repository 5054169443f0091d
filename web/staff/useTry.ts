import { useState } from "react";
import { Problem } from "../identity";

interface Attempt<Arguments extends unknown[]> {
  /** Whether it went well. */
  run: (...args: Arguments) => Promise<boolean>;
  running: boolean;
  /** What went wrong the last time. */
  problem: Problem | null;
  clear: () => void;
}

/** Something that can go wrong, with its progress. What runs already is not begun again. */
export function useTry<Arguments extends unknown[]>(verb: (...args: Arguments) => Promise<void>): Attempt<Arguments> {
  const [running, setRunning] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  return {
    running,
    problem,
    clear: () => setProblem(null),
    run: async (...args) => {
      if (running) return false;
      setRunning(true);
      setProblem(null);
      try {
        await verb(...args);
        return true;
      } catch (error) {
        setProblem(error instanceof Problem ? error : new Problem("internal"));
        return false;
      } finally {
        setRunning(false);
      }
    },
  };
}
