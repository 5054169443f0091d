/** What the routes under `/api/v1/auth` and `/api/v1/people` answer. Times are milliseconds since 1970, the server's. */

import type { PasskeyOptions, ShownPasskey } from "./passkeys";

export const staffRoles = ["clinician", "scheduler", "interpreter", "administrator", "auditor", "sre", "partner"] as const;
/** What somebody is employed for. */
export type StaffRole = (typeof staffRoles)[number];

/** Somebody who works here. */
export interface Person {
  id: string;
  name: string;
  email: string;
  roles: StaffRole[];
  /** Waiting rooms they serve. */
  duties: string[];
}

export type PersonState = "invited" | "invitation-expired" | "active" | "disabled";
export type Listed = Person & { state: PersonState };
/** With the link that is shown this once. */
export type Invited = Listed & { invitation: string };

export interface PeoplePage {
  people: Listed[];
  /** Where the next page begins; none after the last. */
  next: string | null;
}

/** A waiting room of the unit. */
export interface WaitingRoom {
  id: string;
  clinic: { name: string; phone: string };
  practitioner: string;
  /** The seat is theirs to take. */
  mayJoin: boolean;
}

export interface WaitingRoomsPage {
  waitingRooms: WaitingRoom[];
  /** Where the next page begins; none after the last. */
  next: string | null;
}

export type Where = "unit" | "duties" | "own-account";
export interface Right {
  action: string;
  allowed: boolean;
  places?: Where[];
}

/** Where somebody sits: how soon their screen is locked. */
export type Surroundings = "shared" | "ward" | "private";

export interface SignedIn {
  accessToken: string;
  /** Of the access token. */
  expiresAt: number;
  person: Person;
  unit: { id: string; name: string };
  session: { id: string; startedAt: number; endsAt: number; locked: boolean; surroundings: Surroundings; locksAfterS: number };
  /** With what they can sign in; a password and an app if it is not said. */
  ways?: Ways;
  /** Shown once, after they were made. */
  recoveryCodes?: string[];
}

/** With what somebody can sign in. */
export interface Ways {
  /** Password and app. */
  password: boolean;
  passkey: boolean;
  /** The hospital's own sign-in. */
  provider: boolean;
}

/** What the sign-in page can offer. */
export interface Offered {
  passkeys: boolean;
  /** What the hospital's own sign-in is called, if there is one. */
  provider: string | null;
}

/** One's own account. */
export interface Me {
  person: Person;
  sessions: OwnSession[];
  ways: { password: boolean; provider: boolean; passkeys: boolean };
  recoveryCodesLeft: number;
  passkeys: OwnPasskey[];
}

/** A session of one's own that goes on. */
export interface OwnSession {
  id: string;
  current: boolean;
  startedAt: number;
  endsAt: number;
  locked: boolean;
  surroundings: Surroundings;
}

export interface OwnPasskey {
  id: string;
  name: string;
  addedAt: number;
  /** When it was last shown; none if never. */
  shownAt: number | null;
}

/** Who is expected, and a new secret for their app. */
export interface Expected {
  person: Person;
  unit: string;
  authenticator: { secret: string; uri: string };
  ticket: string;
  /** With what a passkey is made instead of both; none where the address does not allow it. */
  publicKey?: PasskeyOptions;
}

/** How a session ended. */
export const endings = ["signed-out", "expired", "theft", "wrong-factors", "revoked"] as const;
export type Ending = (typeof endings)[number];

/** One factor, shown again. */
export type Proof = { password: string } | { code: string } | { passkey: ShownPasskey & { ticket: string } };
