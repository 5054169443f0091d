/** The shell round the signaling machine: sockets, HTTP and promises. Decides nothing. */
import {
  type Answer,
  type Command,
  type Exchange,
  type Link,
  type Options,
  type ServerMessage,
  SignalingClient,
  SUBPROTOCOL,
} from "../protocol";
import type { ClientMessage } from "../protocol";
import type { Env } from "./env";
import { EXCHANGE_WITHIN_MS } from "./limits";
import { Refusal, type SessionState } from "./session";

export interface Events {
  link(link: Link): void;
  greeting(greeting: NonNullable<SessionState["greeting"]>): void;
  message(message: ServerMessage): void;
  keep(resume: string | null): void;
}

type Recorded = Extract<Answer, { ok: true }>["message"];

export class Connection {
  readonly #env: Env;
  readonly #events: Events;
  readonly #client: SignalingClient;
  readonly #traceparent: string | undefined;
  readonly #waiting = new Map<string, { resolve: (message: Recorded) => void; reject: (refusal: Refusal) => void }>();
  #socket: WebSocket | null = null;
  #draining = false;

  constructor(env: Env, options: Options, events: Events) {
    this.#env = env;
    this.#events = events;
    this.#traceparent = options.traceparent;
    this.#client = new SignalingClient(options);
  }

  /** The build this page came from. */
  get build(): string {
    return this.#client.build;
  }

  start(): void {
    this.#run((now) => this.#client.start(now));
  }

  tick(): void {
    this.#run((now) => this.#client.handleTimeout(now));
  }

  online(): void {
    this.#run((now) => this.#client.handleOnline(now));
  }

  probe(): void {
    this.#run((now) => this.#client.probe(now));
  }

  takeOver(): void {
    this.#run((now) => this.#client.takeOver(now));
  }

  dispose(): void {
    this.#run(() => this.#client.dispose());
  }

  send(message: ClientMessage): void {
    this.#run(() => this.#client.send(message));
  }

  /** Resolves when the server has recorded it; rejects with a {@link Refusal}. */
  command(command: Command, bound = false): Promise<Recorded> {
    return new Promise((resolve, reject) => {
      this.#run(() => this.#waiting.set(this.#client.command(command, bound), { resolve, reject }));
    });
  }

  #run(step: (now: number) => unknown): void {
    step(this.#env.now());
    if (this.#draining) return;
    this.#draining = true;
    try {
      for (let output = this.#client.poll(); output; output = this.#client.poll()) {
        switch (output.do) {
          case "exchange":
            void this.#exchange(output.secret);
            break;
          case "connect":
            this.#connect();
            break;
          case "send":
            this.#socket?.send(output.text);
            break;
          case "drop":
            this.#drop();
            break;
          case "keep":
            this.#events.keep(output.resume);
            break;
          case "deliver":
            this.#events.message(output.message);
            break;
          case "link":
            this.#events.link(output.link);
            break;
          case "settle":
            this.#settle(output.id, output.answer);
            break;
        }
      }
    } finally {
      this.#draining = false;
    }
  }

  #settle(id: string, answer: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (answer.ok) waiting?.resolve(answer.message);
    else waiting?.reject(new Refusal(answer.code, answer.message));
  }

  #connect(): void {
    this.#drop();
    const url = this.#env.location.origin.replace(/^http/, "ws") + "/ws";
    const socket = new this.#env.WebSocket(url, SUBPROTOCOL);
    this.#socket = socket;
    // A socket that is no longer ours says nothing: its late `close` would undo the connection after it.
    const ours = (step: (now: number) => void) => {
      if (this.#socket === socket) this.#run(step);
    };
    socket.onopen = () => ours((now) => this.#client.handleOpened(now));
    socket.onmessage = ({ data }) => ours((now) => this.#client.handleText(now, data));
    socket.onclose = ({ code }) =>
      ours((now) => {
        this.#socket = null;
        this.#client.handleClosed(now, code);
      });
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
  }

  async #exchange(secret: string): Promise<void> {
    const result = await this.#post(secret);
    this.#run((now) => this.#client.handleExchanged(now, result));
  }

  async #post(secret: string): Promise<Exchange> {
    try {
      const response = await this.#env.fetch("/api/v1/links/exchange", {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(this.#traceparent === undefined ? {} : { traceparent: this.#traceparent }),
        },
        body: JSON.stringify({ secret }),
        signal: AbortSignal.timeout?.(EXCHANGE_WITHIN_MS) ?? null,
        cache: "no-store",
        credentials: "omit",
      });
      const body = (await response.json().catch(() => ({}))) as Record<string, unknown>;
      // Too many requests, or the server's own trouble: the link may well be good.
      if (response.status === 429 || response.status >= 500) return { is: "failed" };
      if (response.status === 410) return { is: "refused", because: "over", clinic: clinic(body.clinic) };
      if (!response.ok) return { is: "refused", because: "unknown", clinic: clinic(body.clinic) };
      if (typeof body.joinToken !== "string") return { is: "failed" };
      this.#events.greeting({
        role: body.role as NonNullable<SessionState["greeting"]>["role"],
        clinic: clinic(body.clinic) ?? { name: "", phone: "" },
        practitioner: text(body.practitioner),
        name: text(body.name),
        scheduledAt: typeof body.scheduledAt === "number" ? body.scheduledAt : null,
      });
      return { is: "granted", joinToken: body.joinToken };
    } catch {
      return { is: "failed" };
    }
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function clinic(value: unknown): { name: string; phone: string } | null {
  if (typeof value !== "object" || value === null) return null;
  const { name, phone } = value as Record<string, unknown>;
  return { name: text(name), phone: text(phone) };
}
