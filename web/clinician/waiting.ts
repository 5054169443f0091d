import type { QueueEntry, QueueView } from "../protocol/generated";

const MINUTE = 60_000;

/** Those who wait, in the server's order. */
export function waitingOf(queue: QueueView): QueueEntry[] {
  return queue.entries.filter((entry) => entry.phase.is === "waiting");
}

/** Whole minutes since, in milliseconds; stays the same for a minute, so that rows need not be drawn anew. */
export function minutesSince(since: number, now: number): number {
  return Math.max(0, Math.floor((now - since) / MINUTE)) * MINUTE;
}

/** How long the phase lasts. */
export function age(entry: QueueEntry, now: number): number {
  if (entry.phase.is === "waiting") return minutesSince(entry.phase.since, now);
  if (entry.phase.is === "in-call") return minutesSince(entry.phase.startedAt, now);
  return 0;
}

/** How long the connection is gone, if it is. */
export function away(entry: QueueEntry, now: number): number | null {
  return entry.connected || entry.awaySince === null ? null : minutesSince(entry.awaySince, now);
}

/** The longest wait, milliseconds. */
export function longestWait(queue: QueueView, now: number): number {
  return Math.max(0, ...waitingOf(queue).map((entry) => age(entry, now)));
}
