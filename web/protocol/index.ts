/**
 * The signaling protocol from a browser's side, without a browser in it: no DOM, no socket, no clock.
 *
 * Reading order: `generated/` (the messages, from Rust), `parse`, `commands`, `close`, `backoff`,
 * `client` (the machine), `trace`, `limits`.
 */
export * from "./generated";
export { backoff } from "./backoff";
export { type Answer, type Exchange, type Link, type Options, type Output, SignalingClient } from "./client";
export { judge, type Verdict } from "./close";
export type { Command } from "./commands";
export { parse } from "./parse";
export { traceparent } from "./trace";
