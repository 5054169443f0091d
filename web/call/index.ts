/**
 * The engine of a visit in a browser, without any framework. Apps use {@link createSession} and what
 * `session.ts` declares.
 *
 * Reading order: `session` (what it offers), `create` (how the parts fit), `connection` and `views` (what
 * the server says), `media` ▸ `peer` ▸ `pool` ▸ `watch` (the media path), `receiving` and `sound` (others),
 * `devices` and `screen` (us), `telling` (what the server hears of us), `arrival` (for clinicians), `limits`.
 */
export { type Arrival, arrivals, createArrival } from "./arrival";
export { createSession, type SessionOptions } from "./create";
export * from "./session";
