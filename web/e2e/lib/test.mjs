/** `node:test`, with an end to everything, and words on every open page when something fails. */
import * as node from "node:test";
import { findings } from "./findings.mjs";

/** A browser that hangs must not hang the run. */
const LONGEST_MS = 150_000;

const telling = (run) => async (context) => {
  try {
    await run(context);
  } catch (error) {
    throw new Error(`${error.message}\n${await findings()}`, { cause: error });
  }
};

export const { after, describe } = node;
export const before = (run) => node.before(telling(run), { timeout: LONGEST_MS });
export const test = (name, run) => node.test(name, { timeout: LONGEST_MS }, telling(run));
