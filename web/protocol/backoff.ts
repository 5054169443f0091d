import { BACKOFF_BASE_MS, BACKOFF_MAX_MS } from "./limits";

/** Each pause is so much longer than the one before: a server that restarts in a second is met within another. */
const GROWTH = 1.5;

/**
 * How long to wait before reconnect `attempt` (1 is the first). Half of the pause is fixed and half is
 * random, so that after a restart thousands of browsers do not come back in step, and nobody hammers.
 */
export function backoff(attempt: number, random: number, base = BACKOFF_BASE_MS, max = BACKOFF_MAX_MS): number {
  const pause = Math.min(max, base * GROWTH ** Math.min(Math.max(attempt - 1, 0), 30));
  return Math.round(pause / 2 + (pause / 2) * random);
}
