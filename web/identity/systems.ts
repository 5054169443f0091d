/** What the routes under `/api/v1/partner-keys` answer. Times as elsewhere. */

export const scopes = ["people:read", "waiting-rooms:read", "visits:read"] as const;
export type Scope = (typeof scopes)[number];

/** A key of another organisation's system, without what opens. */
export interface PartnerKey {
  id: string;
  name: string;
  scopes: Scope[];
  /** From anywhere, if there is none. */
  networks: string[];
  state: "counts" | "over" | "revoked";
  madeAt: number;
  madeBy: { id: string; name?: string };
  until: number;
  revokedAt: number | null;
}

export interface PartnerKeyMade {
  /** Shown this once. */
  key: string;
  partnerKey: PartnerKey;
}
