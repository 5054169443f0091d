/**
 * Somebody's session in this page: the access token stays in memory, the refresh token in a cookie that no script
 * reads. It renews itself, locks when nobody is there, asks for a factor where the server wants one, and says how it
 * ended.
 */
import { ask, type Answer, type Question } from "./ask";
import type { Env } from "./env";
import { BEAT_MS, IN_FIELD_MS, RENEW_AGAIN_MS, RENEW_BEFORE_MS, TELL_MS, TOKEN_MS, WARN_MS } from "./limits";
import { CANCELLED, Problem } from "./problem";
import type { PasskeyOptions } from "./passkeys";
import type { Ending, Expected, Offered, Proof, SignedIn, Surroundings } from "./types";

export interface StaffState {
  /** `starting`: it is not known yet whether anybody is signed in. */
  is: "starting" | "signed-out" | "signed-in";
  /** How it ended, if there was a session. */
  ending: Ending | null;
  /** Who, where and since when. */
  who: Omit<SignedIn, "accessToken" | "expiresAt" | "recoveryCodes"> | null;
  /** Nothing is shown until a factor is. */
  locked: boolean;
  /** Seconds until it locks, when that is soon. */
  locksIn: number | null;
  /** Something waits for a factor to be shown again. */
  confirming: boolean;
  /** Why the session cannot be renewed, or could not be begun, for now. It is tried again by itself. */
  trouble: Problem | null;
}

export interface StaffSession {
  readonly state: StaffState;
  subscribe(listener: () => void): () => void;
  /** Goes on with the session that this browser has. */
  resume(): Promise<void>;
  /** The first factor; gives the ticket for the second. */
  signIn(email: string, password: string): Promise<string>;
  /** The second factor: somebody is signed in. */
  second(ticket: string, second: { code: string } | { recoveryCode: string }, surroundings: Surroundings): Promise<void>;
  /** Whether this browser has passkeys here. */
  readonly hasPasskeys: boolean;
  /** What the sign-in page can offer; passkeys alone, if the server does not say. */
  offered(): Promise<Offered>;
  /** Both factors at once; whoever has the passkey. */
  signInWithPasskey(surroundings: Surroundings): Promise<void>;
  /** The same, offered among the names that the browser remembers for a field, until `signal` ends it. */
  offerPasskeys(surroundings: () => Surroundings, signal: AbortSignal): Promise<void>;
  /** What is needed to make a passkey; may wait for a factor. */
  askForNewPasskey(): Promise<NewPasskey>;
  addPasskey(asked: NewPasskey, name: string): Promise<void>;
  /** One's passkey, as a factor. */
  showPasskey(): Promise<Proof>;
  /** Who is expected by an invitation. */
  look(secret: string): Promise<Expected>;
  /** Sets the factors of somebody who was invited; gives the recovery codes. They are signed in. */
  join(ticket: string, password: string, code: string): Promise<string[]>;
  /** The same with a passkey instead of both. */
  joinWithPasskey(ticket: string, options: PasskeyOptions, name: string): Promise<void>;
  lock(): Promise<void>;
  unlock(proof: Proof): Promise<void>;
  /** Shows the factor that something waits for. */
  confirm(proof: Proof): Promise<void>;
  /** Does not show it: what waits is not done. */
  cancelConfirm(): void;
  signOut(): Promise<void>;
  /** Asks as whoever is signed in; waits for the lock and for factors. Throws a `Problem` and nothing else. */
  ask<T>(question: Omit<Question, "token">): Promise<T>;
  /** The same, with which state of it was answered: for what is changed only if it still is so. */
  askTagged<T>(question: Omit<Question, "token">): Promise<{ body: T; tag: string | null }>;
  dispose(): void;
}

/** What a passkey is made with. */
export interface NewPasskey {
  ticket: string;
  publicKey: PasskeyOptions;
}

/** Something that others wait for. */
interface Gate {
  promise: Promise<void>;
  open: () => void;
  refuse: (problem: Problem) => void;
}

function gate(): Gate {
  let open = () => {};
  let refuse: (problem: Problem) => void = () => {};
  const promise = new Promise<void>((resolve, reject) => {
    open = resolve;
    refuse = reject;
  });
  // Whoever waits hears of it; that nobody waits is no mistake.
  promise.catch(() => undefined);
  return { promise, open, refuse };
}

export function createStaffSession(env: Env): StaffSession {
  return new Staffed(env);
}

const nobody: StaffState = {
  is: "starting",
  ending: null,
  who: null,
  locked: false,
  locksIn: null,
  confirming: false,
  trouble: null,
};

class Staffed implements StaffSession {
  state: StaffState = nobody;
  readonly #env: Env;
  readonly #listeners = new Set<() => void>();
  #token: string | null = null;
  /** When the token ends, by this device's clock. */
  #ends = 0;
  #renewing: Promise<void> | null = null;
  #again = 0;
  #touched: number;
  #told = 0;
  #unlocking: Gate | null = null;
  #confirming: Gate | null = null;
  #leave: (() => void)[] = [];

  constructor(env: Env) {
    this.#env = env;
    this.#touched = env.now();
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #set(change: Partial<StaffState>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.#listeners) listener();
  }

  async resume(): Promise<void> {
    this.#set({ trouble: null });
    try {
      await this.#renew();
    } catch (problem) {
      if (this.state.is === "starting") this.#set({ trouble: problem as Problem });
    }
  }

  async signIn(email: string, password: string): Promise<string> {
    const { body } = await this.#ask("POST", "/api/v1/auth/sign-in", { email, password });
    return (body as { ticket: string }).ticket;
  }

  async second(ticket: string, second: { code: string } | { recoveryCode: string }, surroundings: Surroundings): Promise<void> {
    const answer = await this.#ask("POST", "/api/v1/auth/second", { ticket, ...second, surroundings });
    this.#touched = this.#env.now();
    this.#begin(answer);
  }

  get hasPasskeys(): boolean {
    return this.#env.passkeys.usable();
  }

  async offered(): Promise<Offered> {
    try {
      return (await ask(this.#env, { method: "GET", path: "/api/v1/auth/ways" })).body as Offered;
    } catch {
      return { passkeys: true, provider: null };
    }
  }

  signInWithPasskey(surroundings: Surroundings): Promise<void> {
    return this.#passkeySignIn(() => surroundings, false, new AbortController().signal);
  }

  async offerPasskeys(surroundings: () => Surroundings, signal: AbortSignal): Promise<void> {
    if (!(await this.#env.passkeys.inFields())) return;
    while (!signal.aborted) {
      const late = this.#env.deadline(IN_FIELD_MS);
      const either = new AbortController();
      const end = () => either.abort();
      for (const one of [signal, late]) one.addEventListener("abort", end, { once: true });
      try {
        await this.#passkeySignIn(surroundings, true, either.signal);
        return;
      } catch (problem) {
        // Too long for the challenge: another one. Whatever else goes wrong, the page has other ways.
        if (!late.aborted) throw problem;
      } finally {
        signal.removeEventListener("abort", end);
      }
    }
  }

  async #passkeySignIn(surroundings: () => Surroundings, inField: boolean, signal: AbortSignal): Promise<void> {
    const asked = (await this.#ask("POST", "/api/v1/auth/passkey/challenge", {})).body as NewPasskey;
    const shown = await this.#env.passkeys.show(asked.publicKey, { inField, signal });
    const body = { passkey: { ...shown, ticket: asked.ticket }, surroundings: surroundings() };
    const answer = await this.#ask("POST", "/api/v1/auth/passkey", body);
    this.#touched = this.#env.now();
    this.#begin(answer);
  }

  askForNewPasskey(): Promise<NewPasskey> {
    return this.ask<NewPasskey>({ method: "POST", path: "/api/v1/me/passkeys/challenge", body: { to: "add" } });
  }

  async addPasskey({ ticket, publicKey }: NewPasskey, name: string): Promise<void> {
    const made = await this.#env.passkeys.make(publicKey);
    await this.ask({ method: "POST", path: "/api/v1/me/passkeys", body: { ticket, passkey: { ...made, name } } });
    this.#hasPasskey(true);
  }

  async showPasskey(): Promise<Proof> {
    const { body } = await this.#asked({ method: "POST", path: "/api/v1/me/passkeys/challenge", body: { to: "show" } });
    const asked = body as NewPasskey;
    const shown = await this.#env.passkeys.show(asked.publicKey, { inField: false, signal: new AbortController().signal });
    return { passkey: { ...shown, ticket: asked.ticket } };
  }

  async joinWithPasskey(ticket: string, options: PasskeyOptions, name: string): Promise<void> {
    const made = await this.#env.passkeys.make(options);
    const answer = await this.#ask("POST", "/api/v1/auth/join", { ticket, passkey: { ...made, name } });
    this.#touched = this.#env.now();
    this.#begin(answer);
  }

  /** What the server would say of it at the next renewal. */
  #hasPasskey(passkey: boolean): void {
    const { who } = this.state;
    if (who !== null) this.#set({ who: { ...who, ways: { password: true, provider: false, ...who.ways, passkey } } });
  }

  async look(secret: string): Promise<Expected> {
    return (await this.#ask("POST", "/api/v1/auth/invitation", { secret })).body as Expected;
  }

  async join(ticket: string, password: string, code: string): Promise<string[]> {
    const answer = await this.#ask("POST", "/api/v1/auth/join", { ticket, password, code });
    this.#touched = this.#env.now();
    return this.#begin(answer).recoveryCodes ?? [];
  }

  async lock(): Promise<void> {
    if (this.state.is !== "signed-in" || this.state.locked) return;
    // Hidden at once, whatever the network does.
    this.#isLocked();
    this.#env.tell({ is: "locked" });
    await this.#asked({ method: "POST", path: "/api/v1/auth/lock" });
  }

  async unlock(proof: Proof): Promise<void> {
    // A lock that did not arrive would leave the server open while the page is shut.
    await this.#asked({ method: "POST", path: "/api/v1/auth/lock" });
    await this.#asked({ method: "POST", path: "/api/v1/auth/unlock", body: proof });
    this.#touched = this.#env.now();
    this.#isUnlocked();
    this.#env.tell({ is: "unlocked" });
  }

  async confirm(proof: Proof): Promise<void> {
    await this.#asked({ method: "POST", path: "/api/v1/auth/confirm", body: proof });
    this.#confirming?.open();
    this.#confirming = null;
    this.#set({ confirming: false });
  }

  cancelConfirm(): void {
    this.#confirming?.refuse(new Problem(CANCELLED));
    this.#confirming = null;
    this.#set({ confirming: false });
  }

  async signOut(): Promise<void> {
    await this.#asked({ method: "POST", path: "/api/v1/auth/sign-out" });
    this.#env.tell({ is: "signed-out" });
    this.#over("signed-out");
  }

  async ask<T>(question: Omit<Question, "token">): Promise<T> {
    return (await this.askTagged<T>(question)).body;
  }

  async askTagged<T>(question: Omit<Question, "token">): Promise<{ body: T; tag: string | null }> {
    let confirmed = false;
    for (;;) {
      if (this.state.locked) await this.#unlocked();
      try {
        const { body, tag } = await this.#asked(question);
        return { body: body as T, tag };
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        if (problem.code === "session-locked") this.#isLocked();
        else if (problem.code === "confirm-first" && !confirmed) {
          confirmed = true;
          await this.#confirmed();
        } else throw problem;
      }
    }
  }

  dispose(): void {
    this.#rest();
    this.#listeners.clear();
  }

  #ask(method: Question["method"], path: string, body: unknown): Promise<Answer> {
    return ask(this.#env, { method, path, body });
  }

  /** With a token that counts; once more with a new one if it did not. */
  async #asked(question: Omit<Question, "token">): Promise<Answer> {
    if (this.#token === null || this.#env.now() >= this.#ends) await this.#renew();
    const used = this.#token;
    try {
      return await ask(this.#env, { ...question, token: used ?? undefined });
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.code !== "signed-out") throw problem;
      if (problem.detail.ending !== undefined) {
        this.#over(problem.detail.ending);
        throw problem;
      }
      if (this.#token === used) await this.#renew();
      return ask(this.#env, { ...question, token: this.#token ?? undefined });
    }
  }

  #renew(): Promise<void> {
    this.#renewing ??= this.#env
      .alone(async () => {
        const idleS = Math.max(0, Math.floor((this.#env.now() - this.#touched) / 1_000));
        this.#begin(await this.#ask("POST", "/api/v1/auth/renew", { idleS }));
      })
      .catch((error: unknown) => {
        const problem = error instanceof Problem ? error : new Problem("internal");
        if (problem.code === "signed-out") this.#over(problem.detail.ending ?? null);
        throw problem;
      })
      .finally(() => {
        this.#renewing = null;
      });
    return this.#renewing;
  }

  #begin({ body, at }: Answer): SignedIn {
    const signedIn = body as SignedIn;
    const { accessToken, expiresAt, recoveryCodes: _, ...who } = signedIn;
    // By the server's own clock, because this device's may be wrong.
    const lasts = at === null ? TOKEN_MS : expiresAt - at;
    this.#token = accessToken;
    this.#ends = this.#env.now() + lasts;
    this.#set({ is: "signed-in", ending: null, who, trouble: null });
    if (who.session.locked) this.#isLocked();
    this.#attend();
    return signedIn;
  }

  #over(ending: Ending | null): void {
    this.#rest();
    this.#token = null;
    const problem = new Problem("signed-out", { ending: ending ?? undefined });
    this.#unlocking?.refuse(problem);
    this.#confirming?.refuse(problem);
    this.#unlocking = null;
    this.#confirming = null;
    this.#set({ ...nobody, is: "signed-out", ending });
  }

  /** Watches no more. */
  #rest(): void {
    for (const leave of this.#leave.splice(0)) leave();
  }

  /** Begins to watch the time, the person and the other tabs. */
  #attend(): void {
    if (this.#leave.length > 0) return;
    this.#leave = [
      this.#env.every(BEAT_MS, () => this.#beat()),
      this.#env.back(() => {
        this.#again = 0;
        this.#beat();
      }),
      this.#env.touched(() => this.#isHere()),
      this.#env.hear((news) => {
        if (news.is === "here") this.#touched = Math.max(this.#touched, news.at);
        else if (news.is === "locked") this.#isLocked();
        else if (news.is === "unlocked") {
          this.#touched = this.#env.now();
          this.#isUnlocked();
        } else this.#over("signed-out");
      }),
    ];
  }

  #isHere(): void {
    if (this.state.locked) return;
    const now = this.#env.now();
    // Back after the limit, before a beat could lock it: whoever this is, they unlock it first.
    if (now - this.#touched >= this.#limit()) {
      this.#beat();
      return;
    }
    this.#touched = now;
    if (this.state.locksIn !== null) this.#set({ locksIn: null });
    if (now - this.#told >= TELL_MS) {
      this.#told = now;
      this.#env.tell({ is: "here", at: now });
    }
  }

  #limit(): number {
    return (this.state.who?.session.locksAfterS ?? Number.POSITIVE_INFINITY) * 1_000;
  }

  #beat(): void {
    if (this.state.is !== "signed-in") return;
    const now = this.#env.now();
    if (!this.state.locked) {
      const left = this.#limit() - (now - this.#touched);
      if (left <= 0) void this.lock().catch(() => undefined);
      else {
        const locksIn = left <= WARN_MS ? Math.ceil(left / 1_000) : null;
        if (locksIn !== this.state.locksIn) this.#set({ locksIn });
      }
    }
    if (now >= this.#ends - RENEW_BEFORE_MS && now >= this.#again && this.#renewing === null) {
      this.#again = now + RENEW_AGAIN_MS;
      this.#renew().catch((problem: unknown) => {
        if (this.state.is === "signed-in") this.#set({ trouble: problem as Problem });
      });
    }
  }

  #isLocked(): void {
    if (!this.state.locked) this.#set({ locked: true, locksIn: null });
  }

  #isUnlocked(): void {
    this.#set({ locked: false });
    this.#unlocking?.open();
    this.#unlocking = null;
  }

  #unlocked(): Promise<void> {
    this.#unlocking ??= gate();
    return this.#unlocking.promise;
  }

  #confirmed(): Promise<void> {
    this.#confirming ??= gate();
    this.#set({ confirming: true });
    return this.#confirming.promise;
  }
}
