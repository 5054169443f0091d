/** What went wrong, by the code that the server gives it (RFC 9457), and by two codes of the browser's own. */
import { type Ending, endings } from "./types";

/** No answer came: the network is gone. */
export const OFFLINE = "offline";
/** The person did not want to confirm. */
export const CANCELLED = "cancelled";

export interface Detail {
  /** Milliseconds until asking again makes sense. */
  retryAfter?: number | undefined;
  /** Which field cannot be taken. */
  field?: string | undefined;
  /** Who has the address already. */
  person?: string | undefined;
  /** How the session ended. */
  ending?: Ending | undefined;
  /** For the help desk. */
  reference?: string | undefined;
}

export class Problem extends Error {
  constructor(
    readonly code: string,
    readonly detail: Detail = {},
  ) {
    super(code);
    this.name = "Problem";
  }
}

/** Reads the answer of a refusal. Whatever stands in it, a problem comes out. */
export async function problemOf(response: Response): Promise<Problem> {
  const body = await response.json().catch(() => null);
  const said: Record<string, unknown> = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const text = (name: string) => (typeof said[name] === "string" ? said[name] : undefined);
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return new Problem(text("code") ?? codeOf(response.status), {
    retryAfter: Number.isFinite(seconds) ? Math.max(0, seconds) * 1_000 : undefined,
    field: text("field"),
    person: text("person"),
    ending: endings.find((ending) => ending === said["ending"]),
    reference: reference(text("trace_id")),
  });
}

/** Of what something between us and the server answers in its stead. */
function codeOf(status: number): string {
  if (status === 429) return "too-many-requests";
  if (status === 408 || status === 504) return "out-of-time";
  return status === 502 || status === 503 ? "unavailable" : "internal";
}

/** As much of the trace as people can read out on the telephone. */
function reference(trace: string | undefined): string | undefined {
  return trace === undefined ? undefined : trace.replaceAll("-", "").slice(-8).toUpperCase();
}
