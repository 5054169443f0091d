/** The engine's state in React: a snapshot, a clock that the server keeps, verbs that report refusals. */
import { createContext, useCallback, useContext, useEffect, useState, useSyncExternalStore } from "react";
import type { Session, SessionState } from "../call/session";

const Context = createContext<Session | null>(null);
export const SessionProvider = Context;

/** The session this page was mounted with. */
export function useSession(): Session {
  const session = useContext(Context);
  if (session === null) throw new Error("no session above this component");
  return session;
}

/** The newest snapshot; renders again with each. */
export function useSessionState(): SessionState {
  const session = useSession();
  return useSyncExternalStore(
    useCallback((listener) => session.subscribe(listener), [session]),
    () => session.state,
  );
}

/** Device time, renewed on the beat. */
export function useNow(beat_ms = 1_000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), beat_ms);
    return () => clearInterval(timer);
  }, [beat_ms]);
  return now;
}

/** Server time: ages are counted by it, whatever the device believes. */
export function useServerNow(beat_ms = 1_000): number {
  const { clockOffset } = useSessionState();
  return useNow(beat_ms) + clockOffset;
}

/** A verb with its progress. Refusals appear in `state.problem`, which the page shows. */
export function useVerb<Arguments extends unknown[]>(
  verb: (...args: Arguments) => Promise<unknown>,
): [run: (...args: Arguments) => Promise<boolean>, running: boolean] {
  const [running, setRunning] = useState(false);
  const run = async (...args: Arguments) => {
    setRunning(true);
    try {
      await verb(...args);
      return true;
    } catch {
      return false;
    } finally {
      setRunning(false);
    }
  };
  return [run, running];
}

/** Whether the browser believes that it is online. */
export function useOnline(): boolean {
  return useSyncExternalStore(
    (listener) => {
      addEventListener("online", listener);
      addEventListener("offline", listener);
      return () => {
        removeEventListener("online", listener);
        removeEventListener("offline", listener);
      };
    },
    () => navigator.onLine,
  );
}
