/** Signing in and being signed in, without a framework. Pages import from here. */
export { browserEnv, type Env, type News } from "./env";
export { CODE_DIGITS, PASSKEY_NAME_CHARS, PASSWORD_CHARS, PEOPLE_PAGE, PEOPLE_SEARCHED, RECOVERY_CHARS } from "./limits";
export type { Passkeys, PasskeyOptions } from "./passkeys";
export { CANCELLED, OFFLINE, Problem } from "./problem";
export { homeOf, returnPath, signInPath } from "./return-path";
export { createStaffSession, type StaffSession, type StaffState } from "./session";
export * from "./systems";
export * from "./types";
export * from "./oversight";
export * from "./trail";
export { unitName } from "./unit";
