/** What `/api/v1/status` answers. Times as elsewhere. */

export const platformParts = ["records", "waiting-rooms", "media", "messages", "presence"] as const;
export type PlatformPart = (typeof platformParts)[number];

/** What `/api/v1/unit/settings` answers. */
export interface UnitSettings {
  name: string;
  language: "en" | "es";
  /** IANA: `America/New_York`. */
  zone: string;
  /** What links begin with. */
  address: string;
  hosts: string[];
}

export interface PartStatus {
  part: string;
  state: "well" | "strained" | "away";
  /** Since when, as far as the server has seen. */
  since: number;
  /** So many processes do it, */
  working?: number;
  /** of so many. */
  of?: number;
}

export interface Status {
  at: number;
  /** None while it cannot be said of all of them. */
  visits: { waiting: number; inCall: number; longestWaitS: number } | null;
  parts: PartStatus[];
  /** What was saved while the database was away is being recorded. */
  catchingUp: boolean;
  /** So much was saved then and cannot be recorded. */
  parked: number;
  trail: { state: "whole" | "broken" | "checking" | "unknown"; copies: { missing: number; lagS: number } | null };
  /** None while they cannot be read. */
  emergencies: { open: number; unreviewed: number } | null;
}
