/** One question to the server. */
import type { Env } from "./env";
import { ANSWER_MS, LONGEST_WAIT_MS, TRIES } from "./limits";
import { OFFLINE, Problem, problemOf } from "./problem";

export interface Question {
  method: "GET" | "POST" | "PATCH" | "DELETE";
  path: string;
  body?: unknown;
  token?: string | undefined;
  /** Only if it still is what was seen then: the `tag` of that answer. */
  match?: string | undefined;
}

export interface Answer {
  body: unknown;
  /** The server's time, where it says it. */
  at: number | null;
  /** Which state of it was answered, where the server says it. */
  tag: string | null;
}

/**
 * Asks. What is unavailable for a moment is asked again by itself: nothing was done.
 *
 * Throws a `Problem` and nothing else.
 */
export async function ask(env: Env, question: Question): Promise<Answer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await once(env, question);
    } catch (problem) {
      const wait = problem instanceof Problem && problem.code === "unavailable" ? problem.detail.retryAfter : undefined;
      if (wait === undefined || wait > LONGEST_WAIT_MS || tries >= TRIES) throw problem;
      await env.after(wait);
    }
  }
}

async function once(env: Env, { method, path, body, token, match }: Question): Promise<Answer> {
  let response: Response;
  try {
    response = await env.fetch(path, {
      method,
      headers: {
        accept: "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(match === undefined ? {} : { "if-match": match }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      cache: "no-store",
      credentials: "same-origin",
      redirect: "error",
      signal: env.deadline(ANSWER_MS),
    });
  } catch (error) {
    throw new Problem(error instanceof DOMException && error.name === "TimeoutError" ? "out-of-time" : OFFLINE);
  }
  if (!response.ok) throw await problemOf(response);
  const answer = { at: serverTime(response), tag: response.headers.get("etag") };
  if (response.status === 204) return { body: null, ...answer };
  try {
    return { body: await response.json(), ...answer };
  } catch {
    throw new Problem("internal");
  }
}

function serverTime(response: Response): number | null {
  const at = Date.parse(response.headers.get("date") ?? "");
  return Number.isNaN(at) ? null : at;
}
