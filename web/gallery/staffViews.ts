/** Every view and state of the pages for people who work at a clinic, by name. */
import type { AuditRow, Chains, Emergency, Listed, PartnerKey, PartStatus, SignedIn, StaffSession, Status, UnitSettings } from "../identity";
import * as f from "./fixtures";

/** What is pressed (`next`) and what is typed (`email=a@b.c`), by test id. */
export type Step = string;
export type Answer = object | { problem: string; status: number; retryAfter?: number } | "never" | "offline";

export interface StaffView {
  id: string;
  app: "staff";
  page: { is: "sign-in"; query: string } | { is: "join"; secret: string | null } | { is: "admin"; section?: string } | { is: "rooms" } | { is: "account" };
  /** The browser has passkeys. */
  passkeys?: boolean;
  /** By method and the beginning of the path. Several for one: each answers once, the last from then on. */
  answers: Readonly<Record<string, Answer | readonly Answer[]>>;
  steps: readonly Step[];
  first?: (session: StaffSession) => unknown;
}

const unit = { id: "unit", name: f.clinic.name };
const person = (id: string, name: string, email: string, roles: Listed["roles"], state: Listed["state"] = "active", duties: string[] = []): Listed => ({
  id,
  name,
  email,
  roles,
  duties,
  state,
});
const own = person("p1", "Ines Costa", "ines.costa@riverside.example", ["administrator"]);
const everybody: Listed[] = [
  own,
  person("p2", "Dr Amara Lee", "amara.lee@riverside.example", ["clinician"], "active", ["w1", "w2"]),
  person("p3", "Tomás Ferreira", "tomas.ferreira@riverside.example", ["scheduler", "interpreter"]),
  person("p4", "Ruth Abebe", "ruth.abebe@riverside.example", ["auditor"], "invited"),
  person("p5", "Jonas Weber", "jonas.weber@riverside.example", ["clinician", "administrator"], "invitation-expired"),
  person("p6", "Kofi Mensah", "kofi.mensah@riverside.example", ["sre"], "disabled"),
];
const longNames: Listed[] = [
  { ...own, name: "Ana María de los Ángeles Fernández-Villaverde y Rodríguez de la Torre" },
  person(
    "p2",
    "Wolfeschlegelsteinhausenbergerdorff-Schmetterlingskötter",
    "wolfeschlegelsteinhausenbergerdorff.schmetterlingskoetter@ambulanzzentrum.universitaetsklinikum.example",
    ["clinician", "scheduler", "interpreter", "administrator", "auditor", "sre", "partner"],
  ),
];
const many: Listed[] = Array.from({ length: 50 }, (_, at) =>
  person(`m${at}`, `${["Aba", "Bo", "Chiara", "Dee", "Emre"][at % 5]} ${["Nowak", "Okafor", "Park", "Quist", "Rossi", "Silva", "Tran"][at % 7]}`, `person.${at + 1}@riverside.example`, at % 3 === 0 ? ["clinician"] : ["scheduler"]),
);

const signedIn = (who: Listed = own, change: Partial<SignedIn["session"]> = {}, at = f.clinic.name): SignedIn => ({
  accessToken: "token",
  expiresAt: f.NOW + 300_000,
  person: who,
  unit: { ...unit, name: at },
  session: { id: "s", startedAt: f.NOW, endsAt: f.NOW + 43_200_000, locked: false, surroundings: "ward", locksAfterS: 900, ...change },
});
const expected = (who: Listed = person("p7", "Dr Amara Lee", "amara.lee@riverside.example", ["clinician"]), at = f.clinic.name) => ({
  person: who,
  unit: at,
  authenticator: {
    secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
    uri: "otpauth://totp/Riverside%20Family%20Clinic:amara.lee%40riverside.example?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Riverside%20Family%20Clinic&digits=6&period=30",
  },
  ticket: "ticket",
});
const recoveryCodes = ["7K2P-MX4D-Q8RT-1WZN", "B3HG-9VYC-5JTE-K6SA", "XD8M-2RPQ-W4NF-7ZKT", "0GJC-H5VB-Y1ES-M9XR", "T6WA-K3ZD-8PQN-4FHJ", "M1RX-C7GY-S2VE-B5TK", "9QNZ-4JWD-P6HA-X8CF", "E5TK-V0SB-3MGR-Y7QJ", "W2FH-8XNC-D9ZA-6KPT", "R4YV-1BQE-J7MS-G0WX"];
export const refused = (problem: string, status: number, retryAfter?: number, more: object = {}): Answer => ({
  problem,
  status,
  ...(retryAfter === undefined ? {} : { retryAfter }),
  ...more,
});
const allowed: Record<string, string[]> = {
  "join-waiting-room": ["duties"],
  "read-history": ["duties"],
  "manage-own-account": ["own-account"],
  "read-rights": ["own-account"],
  "break-glass": ["unit"],
};
const rights = {
  rights: ["chat", "join-waiting-room", "read-history", "manage-own-account", "read-people", "invite-person", "change-person", "read-rights", "read-audit", "break-glass", "review-break-glass", "read-status"].map(
    (action) => ({ action, allowed: action in allowed, places: allowed[action] ?? [] }),
  ),
};

const RENEW = "POST /api/v1/auth/renew";
const SIGN_IN = "POST /api/v1/auth/sign-in";
const SECOND = "POST /api/v1/auth/second";
const LOOK = "POST /api/v1/auth/invitation";
const JOIN = "POST /api/v1/auth/join";
const PEOPLE = "GET /api/v1/people?";
const INVITE = "POST /api/v1/people";
const PATCH = "PATCH /api/v1/people/";

const s = (id: string, answers: StaffView["answers"] = {}, steps: readonly Step[] = [], query = ""): StaffView => ({
  id: `staff-sign-in${id}`,
  app: "staff",
  page: { is: "sign-in", query },
  answers: { [SIGN_IN]: { ticket: "ticket" }, ...answers },
  steps,
});
const j = (id: string, answers: StaffView["answers"] = {}, steps: readonly Step[] = [], secret: string | null = "secret"): StaffView => ({
  id: `staff-join${id}`,
  app: "staff",
  page: { is: "join", secret },
  answers: { [LOOK]: expected(), ...answers },
  steps,
});
const a = (id: string, answers: StaffView["answers"] = {}, steps: readonly Step[] = ["?person"]): StaffView => ({
  id: `staff-admin${id}`,
  app: "staff",
  page: { is: "admin", section: "people" },
  answers: { [RENEW]: signedIn(), "GET /api/v1/waiting-rooms": rooms, [PEOPLE]: { people: everybody, next: null }, "POST /api/v1/auth/lock": {}, "POST /api/v1/auth/unlock": {}, "GET /api/v1/people/p2/rights": rights, "GET /api/v1/people/p4/rights": { rights: rights.rights.map((right) => ({ ...right, allowed: false })) }, ...answers },
  steps,
  first: (session) => session.resume(),
});
const rooms = {
  waitingRooms: [
    { id: "w1", clinic: f.clinic, practitioner: "Dr Amara Lee", mayJoin: true },
    { id: "w2", clinic: f.clinic, practitioner: "Dr Jonas Weber", mayJoin: true },
    { id: "w3", clinic: f.clinic, practitioner: "Walk-in", mayJoin: false },
  ],
  next: null,
};
const longRooms = {
  waitingRooms: [
    { id: "w1", clinic: f.longClinic, practitioner: "Wolfeschlegelsteinhausenbergerdorff-Schmetterlingskötter", mayJoin: true },
    { id: "w2", clinic: f.longClinic, practitioner: "Dra. Ana María de los Ángeles Fernández-Villaverde y Rodríguez de la Torre", mayJoin: true },
  ],
  next: "w2",
};
const r = (id: string, answers: StaffView["answers"] = {}, steps: readonly Step[] = ["?room"]): StaffView => ({
  id: `staff-rooms${id}`,
  app: "staff",
  page: { is: "rooms" },
  answers: { [RENEW]: signedIn(everybody[1]), "GET /api/v1/waiting-rooms": rooms, "POST /api/v1/waiting-rooms/w1/seat": { joinToken: "token" }, ...answers },
  steps,
  first: (session) => session.resume(),
});
const MINUTE = 60_000;
const did = (ago: number, action: string, actor: string | null, more: Partial<AuditRow> = {}): AuditRow => ({ at: f.NOW - ago * MINUTE, action, actor, subject: "0198f7a0-0000-7000-8000-0000000000a1", body: null, ...more });
const rows: AuditRow[] = [
  did(2, "emergency.begin", "p2", { name: "Dr Amara Lee", body: { waitingRoom: "w2" } }),
  did(4, "visit.read", "p2", { name: "Dr Amara Lee", body: { waitingRoom: "w2", emergency: "e1" } }),
  did(9, "visit.end", "s1", { body: { role: "clinician", waitingRoom: "w1" } }),
  did(31, "visit.admit", "s1", { body: { role: "clinician", waitingRoom: "w1" } }),
  did(40, "visit.check-in", "s2", { body: { role: "patient", waitingRoom: "w1" } }),
  did(45, "queue.view", "s1", { subject: "w1", body: { role: "clinician", waitingRoom: "w1" } }),
  did(1_500, "person.change-rights", "p1", { name: "Ines Costa", subject: "p3", subjectName: "Tomás Ferreira" }),
  did(1_510, "session.sign-in", "p1", { name: "Ines Costa", subject: "s" }),
  did(1_600, "person.invite", null, { subject: "p1", subjectName: "Ines Costa" }),
];
const chains = (change: Partial<Chains> = {}): Chains => ({
  state: "whole",
  chains: [{ partition: 0, rows: 48_211, sealedRows: 48_209, seals: 1_204, sealedAt: f.NOW - 40_000, verifiedAt: f.NOW - 2_000, broken: null }],
  copies: { missing: 0, lagS: 0 },
  ...change,
});
const emergency = (id: string, ago: number, change: Partial<Emergency> = {}): Emergency => ({
  id,
  by: { id: "p2", name: "Dr Amara Lee" },
  waitingRoom: "w2",
  visit: null,
  category: "nobody-there",
  at: f.NOW - ago * MINUTE,
  until: f.NOW + (60 - ago) * MINUTE,
  open: ago < 60,
  review: null,
  ...change,
});
const emergencies = (...all: Emergency[]) => ({
  emergencies: all,
  next: null,
  open: all.filter(({ open }) => open).length,
  unreviewed: all.filter(({ review }) => review === null).length,
  overlooked: 0,
});
const someEmergencies = emergencies(
  emergency("e1", 4),
  emergency("e2", 200, { category: "danger", visit: "0198f7a0-0000-7000-8000-0000000000a1", by: { id: "p9", name: "Wolfeschlegelsteinhausenbergerdorff-Schmetterlingskötter" } }),
  emergency("e3", 1_700, { category: "patient-asks", review: { by: { id: "p4", name: "Ruth Abebe" }, verdict: "justified", at: f.NOW - 1_600 * MINUTE } }),
  emergency("e4", 2_900, { category: "other", review: { by: { id: "p4", name: "Ruth Abebe" }, verdict: "not-justified", at: f.NOW - 2_700 * MINUTE } }),
);
const NONE_OPEN = { "GET /api/v1/emergencies?": emergencies() };
const auditor = person("p4", "Ruth Abebe", "ruth.abebe@riverside.example", ["auditor"]);
const t = (section: string, id: string, answers: StaffView["answers"] = {}, steps: readonly Step[] = [], who: Listed = auditor): StaffView => ({
  id: `staff-${section}${id}`,
  app: "staff",
  page: { is: "admin", section },
  answers: {
    [RENEW]: signedIn(who),
    [PEOPLE]: { people: everybody, next: null },
    "GET /api/v1/waiting-rooms": rooms,
    "GET /api/v1/audit?": { rows, next: "1.0.1" },
    "GET /api/v1/audit/chain": chains(),
    "GET /api/v1/emergencies?": section === "audit" ? emergencies() : someEmergencies,
    "GET /api/v1/emergencies/own": { emergencies: [] },
    "GET /api/v1/partner-keys": { partnerKeys: keys },
    "GET /api/v1/emergencies/e1": { ...emergency("e1", 4), reason: "Dr Haddad does not answer.\nHer patient collapsed at home, and I need the medication that was agreed last week." },
    ...answers,
  },
  steps,
  first: (session) => session.resume(),
});
const systemKey = (id: string, name: string, change: Partial<PartnerKey> = {}): PartnerKey => ({
  id,
  name,
  scopes: ["people:read"],
  networks: [],
  state: "counts",
  madeAt: f.NOW - 30 * 86_400_000,
  madeBy: { id: "p1", name: "Ines Costa" },
  until: f.NOW + 60 * 86_400_000,
  revokedAt: null,
  ...change,
});
const keys = [
  systemKey("k1", "Lakeside laboratory", { scopes: ["visits:read", "waiting-rooms:read"], networks: ["192.0.2.0/24", "2001:db8::/32"] }),
  systemKey("k2", "Billing office", { until: f.NOW + 5 * 86_400_000 }),
  systemKey("k3", "Register of the region", { state: "over", until: f.NOW - 86_400_000 }),
  systemKey("k4", "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk-Abrechnungsstelle", { state: "revoked", revokedAt: f.NOW - 3_600_000 }),
];
const keyMade = { key: "thp_01a209a382a871758e1f0c2b5a9d4e33_HAMcm7vxGhWPhMIKwj47DMZD9ueQkX2sLr8yVbN5tQw", partnerKey: keys[0] };
const aKey = ["new-key", "system-name=Lakeside laboratory", "scope-visits:read", "scope-waiting-rooms:read", "networks=192.0.2.0/24\n2001:db8::/32"];
const MAKE_KEY = "POST /api/v1/partner-keys";
const part = (name: string, state: PartStatus["state"] = "well", more: Partial<PartStatus> = {}): PartStatus => ({ part: name, state, since: f.NOW - 25 * MINUTE, ...more });
const status = (change: Partial<Status> = {}): Status => ({
  at: f.NOW,
  visits: { waiting: 7, inCall: 12, longestWaitS: 1_130 },
  parts: [part("records"), part("waiting-rooms"), part("media")],
  catchingUp: false,
  parked: 0,
  trail: { state: "whole", copies: { missing: 0, lagS: 0 } },
  emergencies: { open: 0, unreviewed: 0 },
  ...change,
});
const fleet = (of: Record<string, PartStatus["state"]>) =>
  ["records", "waiting-rooms", "media", "messages", "presence"].map((name) =>
    part(name, of[name] ?? "well", name === "media" || name === "waiting-rooms" ? { working: { well: 3, strained: 2, away: 0 }[of[name] ?? "well"], of: 3 } : {}),
  );
const SETTINGS = "GET /api/v1/unit/settings";
const settings = (change: Partial<UnitSettings> = {}): UnitSettings => ({ name: f.clinic.name, language: "en", zone: "America/New_York", address: "https://visits.riverside.example", hosts: ["visits.riverside.example"], ...change });
const u = (id: string, answers: StaffView["answers"] = {}, steps: readonly Step[] = ["?unit-name"], who: Listed = own): StaffView => ({
  id: `staff-unit${id}`,
  app: "staff",
  page: { is: "admin", section: "unit" },
  answers: { [RENEW]: signedIn(who), "GET /api/v1/waiting-rooms": rooms, "GET /api/v1/emergencies?": emergencies(), [SETTINGS]: settings(), "PATCH /api/v1/unit/settings": settings({ name: "Lakeside Hospital" }), ...answers },
  steps,
  first: (session) => session.resume(),
});
const STATUS = "GET /api/v1/status";
const q = (id: string, answer: Answer | readonly Answer[], steps: readonly Step[] = ["?verdict"], who: Listed = own): StaffView => ({
  id: `staff-status${id}`,
  app: "staff",
  page: { is: "admin", section: "status" },
  answers: { [RENEW]: signedIn(who), "GET /api/v1/waiting-rooms": rooms, "GET /api/v1/emergencies?": emergencies(), [STATUS]: answer },
  steps,
  first: (session) => session.resume(),
});
const me = {
  person: everybody[1],
  ways: { password: true, provider: false, passkeys: true },
  recoveryCodesLeft: 7,
  passkeys: [
    { id: "k1", name: "Ward laptop", addedAt: f.NOW - 40 * 86_400_000, shownAt: f.NOW - 3_600_000 },
    { id: "k2", name: "iPhone", addedAt: f.NOW - 86_400_000, shownAt: null },
  ],
  sessions: [
    { id: "s", current: true, startedAt: f.NOW - 3_600_000, endsAt: f.NOW + 39_600_000, locked: false, surroundings: "ward" },
    { id: "s2", current: false, startedAt: f.NOW - 7_200_000, endsAt: f.NOW + 36_000_000, locked: true, surroundings: "shared" },
    { id: "s3", current: false, startedAt: f.NOW - 10_800_000, endsAt: f.NOW + 32_400_000, locked: false, surroundings: "ward" },
  ],
};
const withPasskey = { password: true, passkey: true, provider: false };
const o = (id: string, answers: StaffView["answers"] = {}, steps: readonly Step[] = ["?sessions"], passkeys = true): StaffView => ({
  id: `staff-account${id}`,
  app: "staff",
  page: { is: "account" },
  answers: { [RENEW]: signedIn(everybody[1]), "GET /api/v1/me": me, "POST /api/v1/me/passkeys/challenge": { ticket: "ticket", publicKey: { challenge: "AA", user: { id: "AA" } } }, "POST /api/v1/me/recovery-codes": { recoveryCodes }, "POST /api/v1/me/password": {}, ...answers },
  steps,
  passkeys,
  first: (session) => session.resume(),
});
const typed = ["email=ines.costa@riverside.example", "password=correct horse battery", "next"];
const chosen = ["password=correct horse battery", "next"];
const filled = ["invite", "new-email=sam.tan@riverside.example", "new-name=Sam Tan", "role-scheduler"];

export const staffViews: readonly StaffView[] = [
  u(""),
  u("-changed", {}, ["unit-name=Lakeside Hospital", "unit-language=es", "?save-unit"]),
  u("-empty", {}, ["unit-name= ", "save-unit", "?field-error"]),
  u("-meanwhile", { "PATCH /api/v1/unit/settings": refused("changed-meanwhile", 412) }, ["unit-name=Lakeside Hospital", "save-unit", "?problem"]),
  u("-auditor", {}, ["?fact"], auditor),
  u("-long-names", { [RENEW]: signedIn(longNames[0], {}, f.longClinic.name), [SETTINGS]: settings({ name: f.longClinic.name, zone: "America/Argentina/Buenos_Aires", address: "https://visitas.ambulanzzentrum-universitaetsklinikum.example:8443", hosts: ["visitas.ambulanzzentrum-universitaetsklinikum.example", "visits.riverside.example", "salud.riverside.example"] }) }),
  u("-loading", { [SETTINGS]: "never" }, []),
  u("-failed", { [SETTINGS]: refused("unavailable", 503, 30) }, ["?problem"]),
  q("", status()),
  q("-fleet", status({ parts: fleet({}), visits: { waiting: 0, inCall: 1_204, longestWaitS: 0 } })),
  q("-database-away", status({ parts: [part("records", "strained"), part("waiting-rooms"), part("media")], emergencies: null })),
  q("-catching-up", status({ catchingUp: true, trail: { state: "checking", copies: null } })),
  q("-worst", status({ visits: null, parts: fleet({ records: "away", "waiting-rooms": "away", media: "away", messages: "away", presence: "away" }), parked: 2, trail: { state: "broken", copies: { missing: 9, lagS: 5_400 } }, emergencies: { open: 1, unreviewed: 3 } })),
  q("-some", status({ parts: fleet({ "waiting-rooms": "strained", media: "strained" }), emergencies: { open: 0, unreviewed: 2 } }), ["?verdict"], auditor),
  q("-loading", "never", []),
  q("-failed", refused("unavailable", 503, 30), ["?problem"]),
  q("-stale", [status(), refused("unavailable", 503, 30)], ["?verdict", "look-again", "?problem"]),
  q("-long-names", status(), ["?verdict"], { ...longNames[1]!, roles: ["administrator", "auditor", "clinician"] } as Listed),
  q("-operations", status(), ["?verdict"], person("p6", "Kofi Mensah", "kofi.mensah@riverside.example", ["sre"])),
  r(""),
  r("-none", { "GET /api/v1/waiting-rooms": { waitingRooms: [], next: null } }, ["?no-rooms"]),
  r("-long-names", { "GET /api/v1/waiting-rooms": longRooms }),
  r("-opening", { "POST /api/v1/waiting-rooms/w1/seat": "never" }, ["?room", "open-room-w1"]),
  r("-gone", { "POST /api/v1/waiting-rooms/w1/seat": refused("not-found", 404) }, ["?room", "open-room-w1", "?problem"]),
  r("-offline", { "GET /api/v1/waiting-rooms": "offline" }, ["?problem"]),
  s(""),
  s("-ended-expired", {}, [], "ended=expired&to=/admin"),
  s("-ended-theft", {}, [], "ended=theft"),
  s("-ended", {}, [], "ended=signed-out"),
  s("-empty", {}, ["next"]),
  s("-failed", { [SIGN_IN]: refused("sign-in-failed", 401) }, [...typed, "?field-error"]),
  s("-shown", {}, ["email=ines.costa@riverside.example", "password=correct horse battery", "show-password", "shared"]),
  s("-checking", { [SIGN_IN]: "never" }, typed),
  s("-throttled", { [SIGN_IN]: refused("too-many-requests", 429, 40) }, [...typed, "?problem"]),
  s("-offline", { [SIGN_IN]: "offline" }, [...typed, "?problem"]),
  s("-unavailable", { [SIGN_IN]: refused("unavailable", 503, 30) }, [...typed, "?problem"]),
  s("-code", {}, [...typed, "?code"]),
  s("-code-wrong", { [SECOND]: refused("wrong-code", 401) }, [...typed, "code=123456", "finish", "?field-error"]),
  s("-recovery", {}, [...typed, "?code", "other-way"]),
  s("-recovery-short", {}, [...typed, "?code", "other-way", "recovery=7K2P", "finish"]),
  s("-begin-again", { [SECOND]: refused("begin-again", 401) }, [...typed, "code=123456", "finish", "?problem"]),
  s("-arrived", { [SECOND]: signedIn(everybody[2]) }, [...typed, "code=123456", "finish", "?arrived"]),

  { ...s("-passkey"), passkeys: true },
  { ...s("-provider", { "GET /api/v1/auth/ways": { passkeys: true, provider: "Riverside University Hospital" } }, ["?provider"]), passkeys: true },
  s("-no-role-here", {}, ["?problem"], "problem=no-role-here"),
  s("-provider-away", {}, ["?problem"], "problem=provider-away"),
  { ...s("-passkey-first"), passkeys: true },
  { ...s("-passkey-wrong", { "POST /api/v1/auth/passkey/challenge": { ticket: "ticket", publicKey: { challenge: "AA" } }, "POST /api/v1/auth/passkey": refused("wrong-passkey", 401) }, ["passkey", "?problem"]), passkeys: true },
  { ...s("-passkey-first-waiting", { "POST /api/v1/auth/passkey/challenge": "never" }, ["passkey"]), passkeys: true },
  { ...j("-passkey", { [LOOK]: { ...expected(), publicKey: { challenge: "AA", user: { id: "AA" } } } }, ["?join-passkey"]), passkeys: true },
  { ...j("-passkey-done", { [LOOK]: { ...expected(), publicKey: { challenge: "AA", user: { id: "AA" } } }, [JOIN]: signedIn(everybody[2]) }, ["join-passkey", "?joined"]), passkeys: true },

  o(""),
  o("-none", { "GET /api/v1/me": { ...me, passkeys: [], sessions: me.sessions.slice(0, 1) } }),
  o("-unusable", {}, ["?sessions"], false),
  o("-loading", { "GET /api/v1/me": "never" }, []),
  o("-failed", { "GET /api/v1/me": refused("unavailable", 503, 30) }, ["?problem"]),
  o("-add", {}, ["add-passkey", "?passkey-name"]),
  o("-add-known", { "POST /api/v1/me/passkeys": [refused("passkey-known", 409)] }, ["add-passkey", "make-passkey", "?problem"]),
  o("-remove", {}, ["remove-passkey", "?yes"]),
  o("-last-way-in", { "DELETE /api/v1/me/passkeys/": refused("last-way-in", 409) }, ["remove-passkey", "yes", "?problem"]),
  o("-password", {}, ["change-password", "?old-password"]),
  o("-password-wrong", { "POST /api/v1/me/password": refused("sign-in-failed", 401) }, ["change-password", "old-password=wrong", "new-password=correct horse battery", "save-password", "?field-error"]),
  o("-password-changed", {}, ["change-password", "old-password=right", "new-password=correct horse battery", "save-password", "?change-password"]),
  o("-codes", {}, ["make-codes", "?codes"]),
  o("-provided", { "GET /api/v1/me": { ...me, passkeys: [], recoveryCodesLeft: 0, ways: { password: false, provider: true, passkeys: true } } }),
  o("-long-names", { [RENEW]: signedIn(longNames[1], {}, f.longClinic.name), "GET /api/v1/me": { ...me, passkeys: [{ ...me.passkeys[0], name: "Wolfeschlegelsteinhausenbergerdorff-Schmetterlingskötter-Tablet" }] } }),
  o("-locked", { [RENEW]: { ...signedIn(everybody[1], { locked: true }), ways: withPasskey } }, ["?show-proof"]),
  o("-confirm", { [RENEW]: { ...signedIn(everybody[1]), ways: withPasskey }, "POST /api/v1/me/recovery-codes": refused("confirm-first", 403) }, ["make-codes", "?show-proof"]),

  j("", {}, ["?password"]),
  j("-opening", { [LOOK]: "never" }),
  j("-no-secret", {}, [], null),
  j("-gone", { [LOOK]: refused("no-invitation", 410) }, ["?problem"]),
  j("-unavailable", { [LOOK]: refused("unavailable", 503, 30) }, ["?problem"]),
  j("-password-short", {}, ["password=secret", "next"]),
  j("-password-refused", { [JOIN]: refused("invalid", 422, undefined, { field: "password" }) }, [...chosen, "code=123456", "connect", "?field-error"]),
  j("-long-names", { [LOOK]: expected(longNames[1], f.longClinic.name) }, ["?password"]),
  j("-app", {}, [...chosen, "?qr"]),
  j("-app-wrong", { [JOIN]: refused("wrong-code", 401) }, [...chosen, "code=123456", "connect", "?field-error"]),
  j("-app-late", { [JOIN]: refused("begin-again", 401) }, [...chosen, "code=123456", "connect", "?notice"]),
  j("-codes", { [JOIN]: { ...signedIn(everybody[1]), recoveryCodes } }, [...chosen, "code=123456", "connect", "?codes"]),
  j("-codes-not-kept", { [JOIN]: { ...signedIn(everybody[1]), recoveryCodes } }, [...chosen, "code=123456", "connect", "on"]),
  j("-done", { [JOIN]: { ...signedIn(everybody[2]), recoveryCodes } }, [...chosen, "code=123456", "connect", "kept", "on", "?joined"]),

  a(""),
  a("-starting", { [RENEW]: "never" }, []),
  a("-no-server", { [RENEW]: refused("unavailable", 503, 30) }, ["?problem"]),
  a("-loading", { [PEOPLE]: "never" }, ["?invite"]),
  a("-failed", { [PEOPLE]: refused("internal", 500) }, ["?problem"]),
  a("-nobody", { [PEOPLE]: { people: [own], next: null } }),
  a("-fifty", { [PEOPLE]: { people: many, next: "m49" } }),
  a("-more-failed", { [PEOPLE]: [{ people: many, next: "m49" }, "offline"] }, ["more", "?problem"]),
  a("-search", {}, ["search=abebe", "?found"]),
  a("-search-order", {}, ["order=state", "?found"]),
  a("-search-nobody", {}, ["search=Zebedee", "?clear"]),
  a("-search-looking", { [PEOPLE]: [{ people: many, next: "m49" }, "never"] }, ["search=nowak", "?found"]),
  a("-search-failed", { [PEOPLE]: [{ people: many, next: "m49" }, "offline"] }, ["search=nowak", "?problem"]),
  a("-search-long-names", { [RENEW]: signedIn(longNames[0], {}, f.longClinic.name), [PEOPLE]: { people: longNames, next: null } }, ["search=schmetter", "?found"]),
  a("-long-names", { [RENEW]: signedIn(longNames[0], {}, f.longClinic.name), [PEOPLE]: { people: longNames, next: null } }),
  a("-person-long-names", { [PEOPLE]: { people: [own, ...longNames.slice(1)], next: null } }, ["open-p2"]),
  a("-person", {}, ["open-p2"]),
  a("-person-rights", {}, ["open-p2", "rights", "?rights-shown"]),
  a("-person-invited", {}, ["open-p4", "rights", "?rights-shown"]),
  a("-person-disabled", {}, ["open-p6"]),
  a("-person-oneself", {}, ["open-p1"]),
  a("-person-roles", {}, ["open-p2", "role-interpreter", "?save-roles"]),
  a("-person-no-role", {}, ["open-p2", "role-clinician", "save-roles"]),
  a("-disable", {}, ["open-p2", "disable"]),
  a("-enable", {}, ["open-p6", "enable"]),
  a("-again", {}, ["open-p2", "again"]),
  a("-again-made", { "POST /api/v1/people/p2/invitation": { ...everybody[1], state: "invited", invitation: "https://visits.riverside.example/join#i=01a209a382a87517.HAMcm7vxGhWPhMIKwj47DMZD9ue" } }, ["open-p2", "again", "yes", "?link"]),
  a("-confirm", { [PATCH]: refused("confirm-first", 403) }, ["open-p2", "role-interpreter", "save-roles", "?show-proof"]),
  a("-confirm-wrong", { [PATCH]: refused("confirm-first", 403), "POST /api/v1/auth/confirm": refused("wrong-code", 401) }, ["open-p2", "role-interpreter", "save-roles", "code=123456", "show-proof", "?field-error"]),
  a("-conflict", { [PATCH]: refused("conflict", 409) }, ["open-p2", "role-interpreter", "save-roles", "?problem"]),
  a("-invite", {}, ["invite"]),
  a("-invite-empty", {}, ["invite", "make"]),
  a("-invite-exists", { [INVITE]: refused("person-exists", 409, undefined, { person: "p3" }) }, [...filled, "make", "?show-existing"]),
  a("-invite-wrong", { [INVITE]: refused("invalid", 422, undefined, { field: "email" }) }, [...filled, "make", "?field-error"]),
  a("-invite-made", { [INVITE]: { ...person("p7", "Sam Tan", "sam.tan@riverside.example", ["scheduler"], "invited"), invitation: "https://visits.riverside.example/join#i=01a209a382a87517.HAMcm7vxGhWPhMIKwj47DMZD9ue" } }, [...filled, "make", "?link"]),
  a("-auditor", { [RENEW]: signedIn(person("p4", "Ruth Abebe", "ruth.abebe@riverside.example", ["auditor"])) }, ["open-p2"]),
  a("-not-allowed", { [RENEW]: signedIn(everybody[2]) }, ["?problem"]),
  a("-locks-soon", { [RENEW]: signedIn(own, { locksAfterS: 20 }) }, ["?person", "?locks-soon"]),
  a("-locked", { [RENEW]: signedIn(own, { locked: true }) }, ["?show-proof"]),
  a("-locked-code", { [RENEW]: signedIn(own, { locked: true }) }, ["choose-code"]),
  a("-locked-wrong", { [RENEW]: signedIn(own, { locked: true }), "POST /api/v1/auth/unlock": refused("wrong-code", 401) }, ["password=correct", "show-proof", "?field-error"]),
  a("-locked-over-dialog", {}, ["open-p2", "disable", "=lock", "?show-proof"]),

  t("audit", "", {}, ["?rows", "?chain"]),
  t("audit", "-broken", { "GET /api/v1/audit/chain": chains({ state: "broken", copies: { missing: 3, lagS: 900 }, chains: [{ partition: 0, rows: 48_211, sealedRows: 48_211, seals: 1_204, sealedAt: f.NOW - 40_000, verifiedAt: f.NOW - 2_000, broken: { what: "rows", from: 1_001, to: 2_000, foundAt: f.NOW - 60_000 } }] }) }, ["?rows", "?chain"]),
  t("audit", "-checking", { "GET /api/v1/audit/chain": chains({ state: "checking", copies: null }) }, ["?rows", "?chain"]),
  t("audit", "-none", { "GET /api/v1/audit?": { rows: [], next: null } }, ["?chain", "visit=0198", "search"]),
  t("audit", "-failed", { "GET /api/v1/audit?": refused("unavailable", 503, 30) }, ["?problem"]),
  t("audit", "-alarm", { "GET /api/v1/emergencies?": someEmergencies }, ["?rows", "?chain", "?alarm"]),
  t("emergencies", "", {}, ["?emergency"]),
  t("emergencies", "-none", { "GET /api/v1/emergencies?": emergencies() }, ["?choose-all"]),
  t("emergencies", "-reason", {}, ["review-e1"]),
  t("emergencies", "-review", {}, ["review-e1", "read-reason", "?reason", "choose-not-justified", "save-review", "?field-error"]),
  t("emergencies", "-administrator", {}, ["?emergency"], own),
  t("systems", "", NONE_OPEN, ["?system"], own),
  t("systems", "-looking", NONE_OPEN, ["?system"]),
  t("systems", "-none", { ...NONE_OPEN, "GET /api/v1/partner-keys": { partnerKeys: [] } }, ["?no-systems"], own),
  t("systems", "-loading", { ...NONE_OPEN, "GET /api/v1/partner-keys": "never" }, [], own),
  t("systems", "-failed", { ...NONE_OPEN, "GET /api/v1/partner-keys": refused("unavailable", 503, 30) }, ["?problem"], own),
  t("systems", "-revoke", NONE_OPEN, ["revoke-k1"], own),
  t("systems", "-new", NONE_OPEN, aKey, own),
  t("systems", "-new-empty", NONE_OPEN, ["new-key", "make-key", "?field-error"], own),
  t("systems", "-new-wrong", { ...NONE_OPEN, [MAKE_KEY]: refused("invalid", 422, undefined, { field: "networks" }) }, [...aKey, "make-key", "?field-error"], own),
  t("systems", "-new-too-many", { ...NONE_OPEN, [MAKE_KEY]: refused("too-many-partner-keys", 409) }, [...aKey, "make-key", "?problem"], own),
  t("systems", "-made", { ...NONE_OPEN, [MAKE_KEY]: keyMade }, [...aKey, "make-key", "?partner-key"], own),
  t("emergency", "", {}, ["?break-glass"], everybody[1]),
  t("emergency", "-empty", {}, ["break-glass", "?field-error"], everybody[1]),
  t("emergency", "-open", { "GET /api/v1/emergencies/own": { emergencies: [emergency("e1", 4)] }, "GET /api/v1/history?": { visits: [{ visit: "v1", name: "Marisol Vega", reason: "Follow-up, knee", bookedAt: f.NOW, endedAt: f.NOW - 900 * MINUTE, outcome: "done" }], next: null } }, ["read-visits", "?end-emergency"], everybody[1]),
  t("emergency", "-too-many", { "POST /api/v1/emergencies": refused("too-many-emergencies", 409) }, ["room=w2", "choose-danger", "reason=Her patient collapsed at home", "break-glass", "?problem"], everybody[1]),
];
