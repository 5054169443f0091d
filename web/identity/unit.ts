/** Whose pages these are, for somebody who is not known yet. */
import { ask } from "./ask";
import type { Env } from "./env";

/** The name of the healthcare unit at this address; `null` where the server does not say it now. */
export async function unitName(env: Env): Promise<string | null> {
  try {
    const { body } = await ask(env, { method: "GET", path: "/api/v1/unit" });
    const { name } = body as { name?: unknown };
    return typeof name === "string" && name !== "" ? name : null;
  } catch {
    return null;
  }
}
