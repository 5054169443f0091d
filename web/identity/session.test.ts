import { describe, expect, it, vi } from "vitest";
import type { Env, News } from "./env";
import { IN_FIELD_MS } from "./limits";
import { CANCELLED, Problem } from "./problem";
import { createStaffSession, type StaffSession } from "./session";
import type { SignedIn } from "./types";

const START = 1_800_000_000_000;
const TTL = 300_000;

const passkeys: Env["passkeys"] = {
  usable: () => true,
  inFields: () => Promise.resolve(false),
  show: ({ challenge }) => Promise.resolve({ id: "id", clientData: `for ${challenge}`, authenticatorData: "", signature: "" }),
  make: ({ challenge }) => Promise.resolve({ clientData: `for ${challenge}`, authenticatorData: "" }),
};

/** The server as far as a session sees it, and a browser whose time is moved by hand. */
function world() {
  let now = START;
  let beat: () => void = () => undefined;
  let touch: () => void = () => undefined;
  let hear: (news: News) => void = () => undefined;
  const told: News[] = [];
  const asked: { key: string; body: unknown; token: string | null }[] = [];
  const answers = new Map<string, (() => Response | Promise<Response>)[]>();
  let tokens = 0;
  let serverClock = 0;

  const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
    new Response(status === 204 ? null : JSON.stringify(body), { status, headers: { date: new Date(now + serverClock).toUTCString(), ...headers } });
  const signedIn = (change: Partial<SignedIn["session"]> = {}): SignedIn => ({
    accessToken: `token-${(tokens += 1)}`,
    expiresAt: now + serverClock + TTL,
    person: { id: "p", name: "Ines", email: "ines@clinic.example", roles: ["administrator"], duties: [] },
    unit: { id: "u", name: "Riverside" },
    session: { id: "s", startedAt: START, endsAt: START + 43_200_000, locked: false, surroundings: "ward", locksAfterS: 900, ...change },
  });
  const env: Env = {
    fetch: async (path, init) => {
      const key = `${init.method} ${path}`;
      const token = new Headers(init.headers).get("authorization");
      asked.push({ key, body: init.body === undefined ? undefined : JSON.parse(String(init.body)), token });
      const scripted = answers.get(key)?.shift();
      if (scripted !== undefined) return scripted();
      if (path.endsWith("/renew") || path.endsWith("/second")) return json(signedIn());
      if (path.endsWith("/join")) return json({ ...signedIn(), recoveryCodes: ["A", "B"] });
      if (path.endsWith("/sign-in")) return json({ ticket: "ticket" });
      return path.startsWith("/api/v1/auth/") ? json(null, 204) : json({ ok: true });
    },
    now: () => now,
    after: async (ms) => void (now += ms),
    every: (_, call) => {
      beat = call;
      return () => {
        beat = () => undefined;
      };
    },
    touched: (call) => {
      touch = call;
      return () => undefined;
    },
    back: () => () => undefined,
    alone: (work) => work(),
    tell: (news) => void told.push(news),
    hear: (call) => {
      hear = call;
      return () => undefined;
    },
    deadline: () => new AbortController().signal,
    passkeys: { ...passkeys },
  };
  return {
    env,
    asked,
    told,
    signedIn,
    json,
    paths: () => asked.map(({ key }) => key.replace("/api/v1", "")),
    /** The next answer to it. */
    once: (key: string, answer: () => Response | Promise<Response>) => answers.set(key, [...(answers.get(key) ?? []), answer]),
    problem: (code: string, status: number, more: object = {}, headers: Record<string, string> = {}) => () => json({ code, ...more }, status, headers),
    /** Time passes. */
    pass: async (ms: number) => {
      now += ms;
      beat();
      await settle();
    },
    touch: () => touch(),
    hear: (news: News) => hear(news),
    now: () => now,
    serverIsAhead: (ms: number) => (serverClock = ms),
  };
}

const settle = () => new Promise((done) => setTimeout(done, 0));

async function resumed(w = world()): Promise<{ w: ReturnType<typeof world>; session: StaffSession }> {
  const session = createStaffSession(w.env);
  await session.resume();
  w.asked.length = 0;
  return { w, session };
}
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "went well",
    (error: unknown) => (error as Problem).code,
  );
const PEOPLE = { method: "GET", path: "/api/v1/people" } as const;

describe("signing in", () => {
  it("shows two factors and is somebody", async () => {
    const w = world();
    const session = createStaffSession(w.env);
    const ticket = await session.signIn("ines@clinic.example", "correct horse battery");
    expect(session.state.is).toBe("starting");
    await session.second(ticket, { code: "123456" }, "shared");
    expect(w.asked[1]?.body).toEqual({ ticket: "ticket", code: "123456", surroundings: "shared" });
    expect(session.state).toMatchObject({ is: "signed-in", who: { person: { name: "Ines" } } });
    expect(JSON.stringify(session.state)).not.toContain("token-");
  });

  it("does not lock at once because the page had been open for long", async () => {
    const w = world();
    const session = createStaffSession(w.env);
    await w.pass(3_600_000);
    await session.second("ticket", { code: "123456" }, "ward");
    await w.pass(1_000);
    expect(session.state.locked).toBe(false);
  });

  it("says what went wrong by its code", async () => {
    const w = world();
    const session = createStaffSession(w.env);
    w.once("POST /api/v1/auth/sign-in", w.problem("sign-in-failed", 401));
    expect(await codeOf(session.signIn("a@b.c", "x"))).toBe("sign-in-failed");
    w.once("POST /api/v1/auth/sign-in", w.problem("too-many-requests", 429, {}, { "retry-after": "40" }));
    await expect(session.signIn("a@b.c", "x")).rejects.toMatchObject({ code: "too-many-requests", detail: { retryAfter: 40_000 } });
    w.once("POST /api/v1/auth/sign-in", () => Promise.reject(new TypeError("no network")));
    expect(await codeOf(session.signIn("a@b.c", "x"))).toBe("offline");
    w.once("POST /api/v1/auth/sign-in", () => Promise.reject(new DOMException("late", "TimeoutError")));
    expect(await codeOf(session.signIn("a@b.c", "x"))).toBe("out-of-time");
    w.once("POST /api/v1/auth/sign-in", () => new Response("<html>", { status: 502 }));
    expect(await codeOf(session.signIn("a@b.c", "x"))).toBe("unavailable");
    w.once("POST /api/v1/auth/sign-in", () => new Response("no JSON"));
    expect(await codeOf(session.signIn("a@b.c", "x"))).toBe("internal");
  });

  it("gives the recovery codes of who joins, and keeps none", async () => {
    const session = createStaffSession(world().env);
    expect(await session.join("ticket", "correct horse battery", "123456")).toEqual(["A", "B"]);
    expect(JSON.stringify(session.state)).not.toContain("recoveryCodes");
  });
});

describe("a session", () => {
  it("goes on with the cookie, and says how it ended where it does not", async () => {
    const w = world();
    w.once("POST /api/v1/auth/renew", w.problem("signed-out", 401, { ending: "expired" }));
    const session = createStaffSession(w.env);
    await session.resume();
    expect(session.state).toMatchObject({ is: "signed-out", ending: "expired" });
  });

  it("does not take a network that is gone for having signed out", async () => {
    const w = world();
    w.once("POST /api/v1/auth/renew", () => Promise.reject(new TypeError("no network")));
    const session = createStaffSession(w.env);
    await session.resume();
    expect(session.state).toMatchObject({ is: "starting", trouble: { code: "offline" } });
    await session.resume();
    expect(session.state).toMatchObject({ is: "signed-in", trouble: null });
  });

  it("renews before the token ends, once, and says how long nobody was there", async () => {
    const { w } = await resumed();
    await w.pass(100_000);
    w.touch();
    await w.pass(TTL - 60_000 - 100_000 - 1_000);
    expect(w.paths()).toEqual([]);
    await w.pass(1_000);
    expect(w.asked).toEqual([expect.objectContaining({ key: "POST /api/v1/auth/renew", body: { idleS: 140 } })]);
    await w.pass(1_000);
    expect(w.asked).toHaveLength(1);
  });

  it("believes the server's clock about how long the token lasts", async () => {
    const w = world();
    w.serverIsAhead(-7_200_000);
    await resumed(w);
    await w.pass(TTL - 61_000);
    expect(w.paths()).toEqual([]);
    await w.pass(1_000);
    expect(w.paths()).toEqual(["POST /auth/renew"]);
  });

  it("tries a renewal again after a while, and says meanwhile that there is trouble", async () => {
    const { w, session } = await resumed();
    w.once("POST /api/v1/auth/renew", () => Promise.reject(new TypeError("no network")));
    await w.pass(TTL - 60_000);
    expect(session.state).toMatchObject({ is: "signed-in", trouble: { code: "offline" } });
    await w.pass(4_000);
    expect(w.asked).toHaveLength(1);
    await w.pass(1_000);
    expect(session.state.trouble).toBeNull();
  });

  it("asks with its token, with a new one where that is over, and one renewal serves all", async () => {
    const { w, session } = await resumed();
    await session.ask(PEOPLE);
    expect(w.asked[0]?.token).toBe("Bearer token-1");
    w.once("GET /api/v1/people", w.problem("signed-out", 401));
    w.once("GET /api/v1/people", w.problem("signed-out", 401));
    await Promise.all([session.ask(PEOPLE), session.ask(PEOPLE)]);
    expect(w.paths().filter((path) => path === "POST /auth/renew")).toHaveLength(1);
    expect(w.asked.at(-1)?.token).toBe("Bearer token-2");
  });

  it("is signed out when the renewal says so, whoever asked", async () => {
    const { w, session } = await resumed();
    w.once("GET /api/v1/people", w.problem("signed-out", 401));
    w.once("POST /api/v1/auth/renew", w.problem("signed-out", 401, { ending: "revoked" }));
    expect(await codeOf(session.ask(PEOPLE))).toBe("signed-out");
    expect(session.state).toMatchObject({ is: "signed-out", ending: "revoked", who: null });
  });

  it("asks again by itself what is unavailable for a moment, and not for ever", async () => {
    const { w, session } = await resumed();
    const busy = w.problem("unavailable", 503, {}, { "retry-after": "2" });
    w.once("GET /api/v1/people", busy);
    w.once("GET /api/v1/people", busy);
    expect(await session.ask(PEOPLE)).toEqual({ ok: true });
    expect(w.now()).toBe(START + 4_000);
    for (let times = 0; times < 3; times += 1) w.once("GET /api/v1/people", busy);
    expect(await codeOf(session.ask(PEOPLE))).toBe("unavailable");
    w.once("GET /api/v1/people", w.problem("unavailable", 503, {}, { "retry-after": "60" }));
    expect(await codeOf(session.ask(PEOPLE))).toBe("unavailable");
    expect(w.asked).toHaveLength(7);
  });

  it("ends, here and in the other tabs", async () => {
    const { w, session } = await resumed();
    await session.signOut();
    expect(session.state).toMatchObject({ is: "signed-out", ending: "signed-out" });
    expect(w.told).toContainEqual({ is: "signed-out" });
    const other = await resumed();
    other.w.hear({ is: "signed-out" });
    expect(other.session.state.is).toBe("signed-out");
  });
});

describe("the lock", () => {
  it("is announced, put off by a touch, and comes when nobody is there", async () => {
    const { w, session } = await resumed();
    await w.pass(870_000);
    expect(session.state).toMatchObject({ locked: false, locksIn: 30 });
    w.touch();
    expect(session.state.locksIn).toBeNull();
    await w.pass(899_000);
    expect(session.state).toMatchObject({ locked: false, locksIn: 1 });
    await w.pass(1_000);
    expect(session.state).toMatchObject({ locked: true, locksIn: null });
    expect(w.paths()).toContain("POST /auth/lock");
  });

  it("comes before a touch after the limit counts: the device slept", async () => {
    const { w, session } = await resumed();
    const asleep = w.env.now;
    vi.spyOn(w.env, "now").mockImplementation(() => asleep() + 900_000);
    w.touch();
    expect(session.state.locked).toBe(true);
  });

  it("hides at once, even where the server cannot be told", async () => {
    const { w, session } = await resumed();
    w.once("POST /api/v1/auth/lock", () => Promise.reject(new TypeError("no network")));
    const locking = session.lock();
    expect(session.state.locked).toBe(true);
    expect(await codeOf(locking)).toBe("offline");
    expect(session.state.locked).toBe(true);
  });

  it("keeps a question until it is unlocked, then asks it", async () => {
    const { w, session } = await resumed();
    w.once("GET /api/v1/people", w.problem("session-locked", 403));
    const answer = session.ask(PEOPLE);
    await settle();
    expect(session.state.locked).toBe(true);
    w.once("POST /api/v1/auth/unlock", w.problem("wrong-code", 401));
    expect(await codeOf(session.unlock({ password: "wrong" }))).toBe("wrong-code");
    expect(session.state).toMatchObject({ is: "signed-in", locked: true });
    await session.unlock({ password: "correct horse battery" });
    expect(session.state.locked).toBe(false);
    expect(await answer).toEqual({ ok: true });
  });

  it("ends the session after too many mistakes, and nobody waits for ever", async () => {
    const { w, session } = await resumed();
    await session.lock();
    const answer = codeOf(session.ask(PEOPLE));
    w.once("POST /api/v1/auth/unlock", w.problem("signed-out", 401, { ending: "wrong-factors" }));
    expect(await codeOf(session.unlock({ code: "000000" }))).toBe("signed-out");
    expect(session.state).toMatchObject({ is: "signed-out", ending: "wrong-factors" });
    expect(await answer).toBe("signed-out");
  });

  it("is one for all tabs, and so is being there", async () => {
    const { w, session } = await resumed();
    await w.pass(800_000);
    w.hear({ is: "here", at: w.now() });
    await w.pass(800_000);
    expect(session.state.locked).toBe(false);
    w.hear({ is: "locked" });
    expect(session.state.locked).toBe(true);
    w.hear({ is: "unlocked" });
    expect(session.state.locked).toBe(false);
    w.touch();
    w.touch();
    expect(w.told.filter((news) => news.is === "here")).toHaveLength(1);
  });

  it("stays over a page that is loaded again", async () => {
    const w = world();
    w.once("POST /api/v1/auth/renew", () => w.json(w.signedIn({ locked: true })));
    const session = createStaffSession(w.env);
    await session.resume();
    expect(session.state).toMatchObject({ is: "signed-in", locked: true });
  });
});

describe("what demands a factor", () => {
  const change = { method: "PATCH", path: "/api/v1/people/p2", body: { disabled: true } } as const;

  it("waits for it, and is done once it is shown", async () => {
    const { w, session } = await resumed();
    w.once("PATCH /api/v1/people/p2", w.problem("confirm-first", 403));
    const answer = session.ask(change);
    await settle();
    expect(session.state.confirming).toBe(true);
    w.once("POST /api/v1/auth/confirm", w.problem("wrong-code", 401));
    expect(await codeOf(session.confirm({ code: "000000" }))).toBe("wrong-code");
    expect(session.state.confirming).toBe(true);
    await session.confirm({ code: "123456" });
    expect(await answer).toEqual({ ok: true });
    expect(session.state.confirming).toBe(false);
  });

  it("is not done when the person would rather not", async () => {
    const { w, session } = await resumed();
    w.once("PATCH /api/v1/people/p2", w.problem("confirm-first", 403));
    const answer = codeOf(session.ask(change));
    await settle();
    session.cancelConfirm();
    expect(await answer).toBe("cancelled");
    expect(w.paths()).toEqual(["PATCH /people/p2"]);
  });

  it("is not asked for for ever", async () => {
    const { w, session } = await resumed();
    w.once("PATCH /api/v1/people/p2", w.problem("confirm-first", 403));
    w.once("PATCH /api/v1/people/p2", w.problem("confirm-first", 403));
    const answer = codeOf(session.ask(change));
    await settle();
    await session.confirm({ code: "123456" });
    expect(await answer).toBe("confirm-first");
  });
});

describe("a passkey", () => {
  const asked = (w: ReturnType<typeof world>) => w.json({ ticket: "t", publicKey: { challenge: "c" } });

  it("signs in alone, with what the browser answers and the ticket it was asked by", async () => {
    const w = world();
    const session = createStaffSession(w.env);
    w.once("POST /api/v1/auth/passkey/challenge", () => asked(w));
    w.once("POST /api/v1/auth/passkey", () => w.json(w.signedIn()));
    await session.signInWithPasskey("shared");
    const shown = { id: "id", clientData: "for c", authenticatorData: "", signature: "", ticket: "t" };
    expect(w.asked[1]?.body).toEqual({ passkey: shown, surroundings: "shared" });
    expect(session.state.is).toBe("signed-in");
  });

  it("that was not shown is a problem, and nothing is asked of the server", async () => {
    const w = world();
    w.env.passkeys.show = () => Promise.reject(new Problem("passkey-not-shown"));
    const session = createStaffSession(w.env);
    w.once("POST /api/v1/auth/passkey/challenge", () => asked(w));
    expect(await codeOf(session.signInWithPasskey("ward"))).toBe("passkey-not-shown");
    expect(w.paths()).toEqual(["POST /auth/passkey/challenge"]);
  });

  it("is offered in a field with another challenge before the first is too old, until the page ends it", async () => {
    const w = world();
    const late = [new AbortController(), new AbortController(), new AbortController()];
    w.env.deadline = (ms) => (ms === IN_FIELD_MS ? (late.shift() ?? new AbortController()) : new AbortController()).signal;
    const [first] = late;
    const challenges: string[] = [];
    w.env.passkeys.inFields = () => Promise.resolve(true);
    w.env.passkeys.show = ({ challenge }, { inField, signal }) => {
      expect(inField).toBe(true);
      challenges.push(challenge);
      return new Promise((_, refuse) => signal.addEventListener("abort", () => refuse(new Problem(CANCELLED))));
    };
    const session = createStaffSession(w.env);
    for (const challenge of ["one", "two"]) w.once("POST /api/v1/auth/passkey/challenge", () => w.json({ ticket: "t", publicKey: { challenge } }));
    const page = new AbortController();
    const offered = codeOf(session.offerPasskeys(() => "ward", page.signal));
    await settle();
    first?.abort();
    await settle();
    expect(challenges).toEqual(["one", "two"]);
    page.abort();
    expect(await offered).toBe(CANCELLED);
  });

  it("is a factor, and known to be one from when it is added", async () => {
    const { w, session } = await resumed();
    w.once("POST /api/v1/me/passkeys/challenge", () => asked(w));
    await session.addPasskey(await session.askForNewPasskey(), "Phone");
    expect(w.asked[1]).toMatchObject({ key: "POST /api/v1/me/passkeys", body: { ticket: "t", passkey: { clientData: "for c", name: "Phone" } } });
    expect(session.state.who?.ways?.passkey).toBe(true);
    await session.lock();
    w.once("POST /api/v1/me/passkeys/challenge", () => asked(w));
    await session.unlock(await session.showPasskey());
    expect(session.state.locked).toBe(false);
  });
});
