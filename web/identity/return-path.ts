/** Where somebody goes on after they have signed in. */
import type { StaffRole } from "./types";

/** A path of this origin, or none: no other site can send somebody through here to itself. */
export function returnPath(wanted: string | null, origin: string): string | null {
  if (wanted === null || !/^\/(?![/\\])/.test(wanted)) return null;
  let url: URL;
  try {
    url = new URL(wanted, origin);
  } catch {
    return null;
  }
  // Not in a circle, and nothing of what can stand in a fragment.
  if (url.origin !== origin || url.pathname === "/sign-in" || url.pathname === "/join") return null;
  return url.pathname + url.search;
}

/** The page of somebody's role; none if there is none yet. */
export function homeOf(roles: readonly StaffRole[]): string | null {
  if (roles.some((role) => role === "administrator" || role === "auditor" || role === "sre")) return "/admin";
  return roles.includes("clinician") ? "/rooms" : null;
}

/** The sign-in page, from where people come back. */
export function signInPath(here: string, ending: string | null): string {
  const query = new URLSearchParams();
  if (here !== "") query.set("to", here);
  if (ending !== null) query.set("ended", ending);
  const text = query.toString();
  return text === "" ? "/sign-in" : `/sign-in?${text}`;
}
