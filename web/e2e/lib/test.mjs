/** `node:test`, with an end to everything: a browser that hangs must not hang the run. */
import * as node from "node:test";

const LONGEST_MS = 150_000;

export const { after, describe } = node;
export const before = (run) => node.before(run, { timeout: LONGEST_MS });
export const test = (name, run) => node.test(name, { timeout: LONGEST_MS }, run);
