/**
 * The signaling connection as a machine: it opens no socket, reads no clock and rolls no dice. Its shell
 * (`call/connection.ts`) tells it what happened and carries out what it wants.
 *
 * ```text
 * exchanging ──▶ opening ──▶ greeting ──welcome──▶ open
 *     ▲  ▲           │           │                  │
 *     │  └───────────┴── pausing ◀──────────────────┘   lost: back-off, then again
 *     └── 4401 with a secret
 *                        4409 ──▶ replaced      never comes back by itself
 *                        4401, 403, 404 ──▶ refused      1000 ──▶ closed
 * ```
 *
 * Contract: after each `handle…`, `send`, `command`, drain {@link SignalingClient.poll} to `undefined`;
 * call {@link SignalingClient.handleTimeout} at least once a second while in use.
 */
import { backoff } from "./backoff";
import { judge } from "./close";
import { type Command, Commands } from "./commands";
import type { ClientMessage, ServerMessage } from "./generated";
import {
  MAX_REFUSED_TOKENS,
  OPEN_WITHIN_MS,
  PING_AFTER_MS,
  PONG_WITHIN_MS,
  PROBE_WITHIN_MS,
  STEADY_AFTER_MS,
} from "./limits";
import { parse } from "./parse";

/** How the connection stands, as people see it. */
export type Link =
  | { is: "exchanging" }
  | { is: "connecting" }
  | { is: "open" }
  | { is: "reconnecting"; since: number; attempt: number }
  | { is: "replaced" }
  | { is: "refused"; because: "unknown" | "over" | "no-secret"; clinic: { name: string; phone: string } | null }
  | { is: "closed" };

/** What became of a command. */
export type Answer =
  | { ok: true; message: Extract<ServerMessage, { type: "ok" | "answer" | "invited" }> }
  | { ok: false; code: string; message: string };

/** What became of exchanging the link. */
export type Exchange =
  | { is: "granted"; joinToken: string }
  | { is: "refused"; because: "unknown" | "over"; clinic: { name: string; phone: string } | null }
  /** The network, or 5xx: try again. */
  | { is: "failed" };

/** What the shell is to do. */
export type Output =
  | { do: "exchange"; secret: string }
  /** Open a fresh socket; any older one counts for nothing. */
  | { do: "connect" }
  | { do: "send"; text: string }
  /** Close the socket; report nothing more of it. */
  | { do: "drop" }
  /** Keep this resume token for a reload, or forget it. */
  | { do: "keep"; resume: string | null }
  | { do: "deliver"; message: ServerMessage }
  | { do: "settle"; id: string; answer: Answer }
  | { do: "link"; link: Link };

export interface Options {
  /** The link's secret, if this page has one. */
  secret: string | null;
  /** The right to connect once, from another page of ours. Comes before both. */
  join?: string | null;
  /** Comes before the secret: it keeps the seat that a reload would otherwise take anew. */
  resume: string | null;
  canShareScreen: boolean;
  /** The trace that this page is (W3C Trace Context), if it is to be one. */
  traceparent?: string;
  /** 0 ≤ x < 1. */
  random: () => number;
  /** A fresh UUID. */
  newId: () => string;
}

type State =
  | { is: "idle" }
  | { is: "exchanging" }
  | { is: "opening"; until: number; token: string }
  | { is: "greeting"; until: number; joining: boolean }
  | { is: "open"; since: number; heardAt: number; pongBy: number | null }
  | { is: "pausing"; until: number; next: "exchange" | "connect" }
  | { is: "halted" };

export class SignalingClient {
  readonly #options: Options;
  #build = "";
  readonly #commands = new Commands();
  readonly #outputs: Output[] = [];
  #state: State = { is: "idle" };
  #resume: string | null;
  #joinToken: string | null = null;
  #attempt = 0;
  #lostAt: number | null = null;
  #refusedTokens = 0;
  #nonce = 0;

  constructor(options: Options) {
    this.#options = options;
    this.#resume = options.resume;
    this.#joinToken = options.join ?? null;
  }

  poll(): Output | undefined {
    return this.#outputs.shift();
  }

  start(now: number): void {
    if (this.#joinToken !== null || this.#resume !== null) this.#connect(now);
    else if (this.#options.secret !== null) this.#exchange();
    else this.#halt({ is: "refused", because: "no-secret", clinic: null }, "not-authorized");
  }

  /** Makes this page the current one again. Only ever after a person asked for it. */
  takeOver(now: number): void {
    if (this.#state.is !== "halted") return;
    this.#attempt = 0;
    this.#refusedTokens = 0;
    this.#lostAt = null;
    // Only the link takes a seat back from a device that took it by the link; a resume token is then outdated.
    if (this.#options.secret !== null) this.#exchange();
    else this.start(now);
  }

  /** Leaves for good. */
  dispose(): void {
    this.#outputs.push({ do: "drop" });
    this.#halt({ is: "closed" }, "closed");
  }

  /** Says something that is not answered; without a connection it is not said. True if it went out. */
  send(message: ClientMessage): boolean {
    if (this.#state.is !== "open") return false;
    this.#outputs.push({ do: "send", text: JSON.stringify(message) });
    return true;
  }

  /** Gives a command; its answer comes as `settle` with the id returned here. */
  command(command: Command, bound = false): string {
    const id = this.#options.newId();
    if (this.#state.is === "halted") this.#refuse([id], "closed");
    else if (bound && this.#state.is !== "open") this.#refuse([id], "disconnected");
    else {
      const message = this.#commands.add(id, command, bound);
      if (message === null) this.#refuse([id], "full");
      else if (this.send(message)) this.#commands.markSent(id);
    }
    return id;
  }

  /** Something hints at trouble: ask the server for a sign of life, and give it little time. */
  probe(now: number): void {
    if (this.#state.is !== "open" || this.#state.pongBy !== null) return;
    this.#ping(this.#state, now + PROBE_WITHIN_MS);
  }

  /** The device says that it is online again: no reason to sit out the pause. */
  handleOnline(now: number): void {
    if (this.#state.is === "pausing") this.#again(now, this.#state.next);
    else this.probe(now);
  }

  handleExchanged(now: number, result: Exchange): void {
    if (this.#state.is !== "exchanging") return;
    if (result.is === "granted") {
      this.#joinToken = result.joinToken;
      this.#connect(now);
    } else if (result.is === "refused") {
      this.#halt({ is: "refused", because: result.because, clinic: result.clinic }, "not-authorized");
    } else this.#pause(now, "exchange");
  }

  handleOpened(now: number): void {
    const state = this.#state;
    if (state.is !== "opening") return;
    const joining = state.token === this.#joinToken;
    // Single use: whatever becomes of this connection, the same join token never opens another.
    if (joining) this.#joinToken = null;
    this.#state = { is: "greeting", until: now + OPEN_WITHIN_MS, joining };
    const { canShareScreen, traceparent } = this.#options;
    const build = this.#build;
    const hello: ClientMessage = { type: "hello", token: state.token, build, canShareScreen };
    if (traceparent !== undefined) hello.traceparent = traceparent;
    this.#outputs.push({ do: "send", text: JSON.stringify(hello) });
  }

  /** The build this page came from: the one that greeted it first. */
  get build(): string {
    return this.#build;
  }

  handleText(now: number, data: unknown): void {
    if (this.#state.is === "open") {
      this.#state.heardAt = now;
      this.#state.pongBy = null;
    }
    const message = parse(data);
    if (message === null) return;
    if (message.type === "welcome") this.#welcome(now, message);
    else if (this.#state.is === "open" || message.type === "error") this.#heard(message);
  }

  handleClosed(now: number, code: number): void {
    const was = this.#state;
    if (was.is === "halted" || was.is === "idle" || was.is === "exchanging" || was.is === "pausing") return;
    switch (judge(code)) {
      case "finished":
        return this.#halt({ is: "closed" }, "closed");
      case "replaced":
        return this.#halt({ is: "replaced" }, "replaced");
      case "refused":
        return this.#halt({ is: "refused", because: "unknown", clinic: null }, "not-authorized");
      case "unauthorized":
        return this.#unauthorized(now, was.is === "greeting" && was.joining);
      case "rejected":
        this.#refuse(this.#commands.takeSent(), "bad-message");
        return this.#lost(now);
      case "retry":
        return this.#lost(now);
    }
  }

  handleTimeout(now: number): void {
    const state = this.#state;
    switch (state.is) {
      case "pausing":
        if (now >= state.until) this.#again(now, state.next);
        break;
      case "opening":
      case "greeting":
        if (now >= state.until) this.#giveUp(now);
        break;
      case "open":
        if (state.pongBy !== null && now >= state.pongBy) this.#giveUp(now);
        else if (state.pongBy === null && now - state.heardAt >= PING_AFTER_MS) this.#ping(state, now + PONG_WITHIN_MS);
        else if (now - state.since >= STEADY_AFTER_MS) this.#attempt = 0;
        break;
    }
  }

  #welcome(now: number, message: Extract<ServerMessage, { type: "welcome" }>): void {
    if (this.#state.is !== "greeting") return;
    this.#state = { is: "open", since: now, heardAt: now, pongBy: null };
    this.#resume = message.resumeToken;
    this.#build ||= message.build;
    this.#refusedTokens = 0;
    this.#lostAt = null;
    this.#outputs.push({ do: "keep", resume: message.resumeToken }, { do: "deliver", message });
    this.#show({ is: "open" });
    for (const command of this.#commands.unanswered()) {
      this.send(command);
      if ("id" in command) this.#commands.markSent(command.id);
    }
  }

  #heard(message: ServerMessage): void {
    switch (message.type) {
      case "ok":
      case "invited":
      case "answer":
        if (this.#commands.settle(message.re)) {
          this.#outputs.push({ do: "settle", id: message.re, answer: { ok: true, message } });
        }
        break;
      case "error":
        if (message.re === null) this.#outputs.push({ do: "deliver", message });
        else if (this.#commands.settle(message.re)) {
          const answer: Answer = { ok: false, code: message.code, message: message.message };
          this.#outputs.push({ do: "settle", id: message.re, answer });
        }
        break;
      case "pong":
        break;
      default:
        this.#outputs.push({ do: "deliver", message });
    }
  }

  #unauthorized(now: number, joining: boolean): void {
    if (!joining) {
      this.#resume = null;
      this.#outputs.push({ do: "keep", resume: null });
    }
    this.#refusedTokens += 1;
    if (this.#options.secret === null || this.#refusedTokens >= MAX_REFUSED_TOKENS) {
      return this.#halt({ is: "refused", because: "unknown", clinic: null }, "not-authorized");
    }
    this.#refuse(this.#commands.takeBound(), "disconnected");
    this.#commands.forgetSent();
    if (this.#refusedTokens === 1) this.#exchange();
    else this.#pause(now, "exchange");
  }

  #lost(now: number): void {
    this.#refuse(this.#commands.takeBound(), "disconnected");
    this.#commands.forgetSent();
    this.#pause(now, this.#resume === null ? "exchange" : "connect");
  }

  #giveUp(now: number): void {
    this.#outputs.push({ do: "drop" });
    this.#lost(now);
  }

  #pause(now: number, next: "exchange" | "connect"): void {
    this.#attempt += 1;
    this.#lostAt ??= now;
    this.#state = { is: "pausing", until: now + backoff(this.#attempt, this.#options.random()), next };
    this.#show({ is: "reconnecting", since: this.#lostAt, attempt: this.#attempt });
  }

  #again(now: number, next: "exchange" | "connect"): void {
    if (next === "exchange") this.#exchange();
    else this.#connect(now);
  }

  #exchange(): void {
    const { secret } = this.#options;
    if (secret === null) {
      return this.#halt({ is: "refused", because: "no-secret", clinic: null }, "not-authorized");
    }
    this.#state = { is: "exchanging" };
    if (this.#lostAt === null) this.#show({ is: "exchanging" });
    this.#outputs.push({ do: "exchange", secret });
  }

  #connect(now: number): void {
    const token = this.#joinToken ?? this.#resume;
    if (token === null) return this.#exchange();
    this.#state = { is: "opening", until: now + OPEN_WITHIN_MS, token };
    if (this.#lostAt === null) this.#show({ is: "connecting" });
    this.#outputs.push({ do: "connect" });
  }

  #ping(state: Extract<State, { is: "open" }>, pongBy: number): void {
    state.pongBy = pongBy;
    this.#nonce = (this.#nonce + 1) >>> 0;
    this.send({ type: "ping", nonce: this.#nonce });
  }

  #halt(link: Link, code: string): void {
    this.#state = { is: "halted" };
    this.#refuse(this.#commands.takeAll(), code);
    this.#show(link);
  }

  #refuse(ids: string[], code: string): void {
    for (const id of ids) this.#outputs.push({ do: "settle", id, answer: { ok: false, code, message: code } });
  }

  #show(link: Link): void {
    this.#outputs.push({ do: "link", link });
  }
}
