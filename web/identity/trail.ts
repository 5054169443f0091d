/** What the routes under `/api/v1/audit` and `/api/v1/emergencies` answer. Times as elsewhere. */

export interface AuditRow {
  at: number;
  action: string;
  actor: string | null;
  /** Of somebody with an account. */
  name?: string;
  subject: string | null;
  subjectName?: string;
  /** As recorded: ids and roles. */
  body: { role?: string; waitingRoom?: string; emergency?: string; category?: string } | null;
}

export interface AuditPage {
  rows: AuditRow[];
  /** Where the next page begins; none after the last. */
  next: string | null;
}

export interface Chain {
  partition: number;
  rows: number;
  sealedRows: number;
  seals: number;
  sealedAt: number | null;
  verifiedAt: number | null;
  broken: { what: string; from: number; to: number; foundAt: number } | null;
}

export interface Chains {
  state: "whole" | "broken" | "checking" | "unknown";
  chains: Chain[];
  /** None where nothing is copied. */
  copies: { missing: number; lagS: number } | null;
}

export const categories = ["danger", "nobody-there", "patient-asks", "other"] as const;
export type Category = (typeof categories)[number];
export type Verdict = "justified" | "not-justified";

export interface Emergency {
  id: string;
  by: { id: string; name?: string };
  waitingRoom: string;
  visit: string | null;
  category: Category;
  at: number;
  until: number;
  open: boolean;
  review: { by: { id: string; name?: string }; verdict: Verdict; at: number; note?: string } | null;
  /** Only to whoever reviews it. */
  reason?: string;
}

export interface EmergencyPage {
  emergencies: Emergency[];
  next: string | null;
  open: number;
  unreviewed: number;
  overlooked: number;
}

/** A visit that is over, as `/api/v1/history` answers it. */
export interface PastVisit {
  visit: string;
  name: string;
  reason: string;
  bookedAt: number;
  endedAt: number;
  outcome: string;
}
