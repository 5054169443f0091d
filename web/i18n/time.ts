/** Times as people say them. */
import { say, type Language } from "./index";

const MINUTE = 60_000;

/** "10:30", in the reader's zone and habit. */
export function clockTime(at: number, language: Language): string {
  return new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" }).format(at);
}

/** A day with its year, for what may be long ago or far off: "January 22, 2027". */
export function day(at: number, language: Language): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "long" }).format(at);
}

/** "Today, 10:30", "Tomorrow, 10:30" or "Monday 30 November, 10:30". */
export function dayAndTime(at: number, now: number, language: Language): string {
  const time = clockTime(at, language);
  const days = dayNumber(at) - dayNumber(now);
  if (days === 0) return say("time.today", { time });
  if (days === 1) return say("time.tomorrow", { time });
  const date = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long" }).format(at);
  return say("time.other", { date: date.charAt(0).toLocaleUpperCase(language) + date.slice(1), time });
}

/** Calendar days, so that a change of clocks does not move midnight. */
function dayNumber(at: number): number {
  const date = new Date(at);
  return Math.round(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / (24 * 60 * MINUTE));
}

/** "under 1 min", "18 min", "1 h 20 min". Whole minutes passed, never rounded up. */
export function waited(milliseconds: number): string {
  const minutes = Math.max(0, Math.floor(milliseconds / MINUTE));
  if (minutes < 1) return say("time.under-minute");
  if (minutes < 60) return say("time.minutes", { count: minutes });
  return say("time.hours", { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}

/** The same, for columns. */
export function waitedShort(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / MINUTE);
  if (minutes < 1) return say("time.under-minute-short");
  if (minutes < 60) return waited(milliseconds);
  return say("time.hours-short", { hours: Math.floor(minutes / 60), minutes: String(minutes % 60).padStart(2, "0") });
}

/** "0:12", for what is counted in seconds. */
export function stopwatch(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000));
  const rest = String(seconds % 60).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}
