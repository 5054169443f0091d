/**
 * What was said, by visit. Lines of ours that are not recorded yet stand at the end with a negative `seq`
 * until the server's line takes their place.
 */
import type { ChatMessage } from "../protocol";
import type { SessionState } from "./session";

export type Line = SessionState["chat"][string][number];

/** A line of ours, shown before it is recorded. */
export function saying(lines: Line[], line: Line): Line[] {
  return [...lines, { ...line, pending: true }];
}

/** A recorded line: takes the place of ours if it is ours; a repeat changes nothing. */
export function recorded(lines: Line[], message: ChatMessage, me: string | null): Line[] {
  if (lines.some((line) => line.seq === message.seq)) return lines;
  const ours = message.from === me ? lines.findIndex((line) => line.seq < 0 && line.text === message.text && !line.failed) : -1;
  const rest = lines.filter((_, index) => index !== ours);
  const said = [...rest.filter((line) => line.seq >= 0), message].sort((a, b) => a.seq - b.seq);
  return [...said, ...rest.filter((line) => line.seq < 0)];
}

/** Everything recorded, after a connection opened. Ours that are in it are no longer pending. */
export function history(lines: Line[], messages: ChatMessage[], me: string | null): Line[] {
  const newest = Math.max(-1, ...lines.map((line) => line.seq));
  const old = messages.filter((message) => message.seq <= newest);
  const fresh = messages.filter((message) => message.seq > newest);
  const start: Line[] = [...old, ...lines.filter((line) => line.seq < 0)];
  return fresh.reduce((all, message) => recorded(all, message, me), start);
}

/** What became of a line of ours. */
export function settled(lines: Line[], seq: number, failed: boolean): Line[] {
  return lines.map((line) => (line.seq === seq ? { ...line, pending: false, failed } : line));
}
