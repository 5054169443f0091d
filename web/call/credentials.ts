/**
 * The link's secret and the resume token.
 *
 * The secret stands in the URL's fragment, which no server and no mail scanner ever sees. It is taken out
 * of the address bar at once, so that it is in no history, no screenshot and no shared screen. It and the
 * resume token live in `sessionStorage`: a reload keeps the place, another tab has neither, and closing the
 * tab forgets both. The secret is kept beside the token because only the link can take a seat back from a
 * newer device, or outlast the token's twelve hours.
 */
import type { Env } from "./env";

export interface Credentials {
  /** The right to connect once that another page of ours left here, if it did. */
  join: string | null;
  secret: string | null;
  resume: string | null;
  keep(resume: string | null): void;
  forget(): void;
}

/** Longer than any secret; whether it is one, the server knows. */
const MAX_SECRET_CHARS = 200;

const SEAT = "seat";

/** Leaves the right to connect once to the page at this path, for the next time it is opened in this tab. */
export function leaveSeat(storage: Pick<Storage, "setItem">, path: string, joinToken: string): void {
  storage.setItem(`telehealth${path}:${SEAT}`, joinToken);
}

export function credentials(env: Pick<Env, "location" | "replaceUrl" | "storage">): Credentials {
  const { location, storage } = env;
  const key = (name: string): string => `telehealth${location.pathname}:${name}`;
  const read = (name: string): string | null => attempt(() => storage?.getItem(key(name)) ?? null) ?? null;
  const write = (name: string, value: string | null): void => {
    attempt(() => (value === null ? storage?.removeItem(key(name)) : storage?.setItem(key(name), value)));
  };

  const found = new URLSearchParams(location.hash.slice(1)).get("k");
  if (found !== null) env.replaceUrl(location.pathname + location.search);
  const fresh = found !== null && found.length > 0 && found.length <= MAX_SECRET_CHARS ? found : null;
  if (fresh !== null && fresh !== read("link")) {
    write("link", fresh);
    // Another link than before: the token belongs to another place.
    write("resume", null);
  }
  const join = fresh === null ? read(SEAT) : null;
  write(SEAT, null);
  if (join !== null) {
    // Another way in than before: what was kept belongs to another place.
    write("link", null);
    write("resume", null);
  }
  return {
    join,
    secret: fresh ?? read("link"),
    // A link that was just opened takes the seat anew; a reload keeps the one it has.
    resume: fresh === null ? read("resume") : null,
    keep: (resume) => write("resume", resume),
    forget: () => {
      write("resume", null);
      write("link", null);
    },
  };
}

/** Storage may be full, or forbidden: then a reload asks for the link again, and nothing else breaks. */
function attempt<T>(storing: () => T): T | undefined {
  try {
    return storing();
  } catch {
    return undefined;
  }
}
