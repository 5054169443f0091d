/** Puts the parts together: {@link createSession} is the one way in. */
import { type Command, type DeviceHealth, type Role, type ServerMessage, traceparent } from "../protocol";
import { Audio } from "./audio";
import { type Line, saying, settled } from "./chat";
import { Connection } from "./connection";
import { credentials } from "./credentials";
import { Devices } from "./devices";
import { browserEnv, type Env } from "./env";
import { health } from "./health";
import { ACCESS_WITHIN_MS, BUSY_TICK_MS, QUIET_TICK_MS } from "./limits";
import { Media } from "./media";
import { Meter } from "./meter";
import { ScreenShare } from "./screen";
import { type Access, Refusal, type Session, type SessionState } from "./session";
import { initialState, Store } from "./store";
import { Telling } from "./telling";
import { apply, problem, wish } from "./views";
import { ScreenWakeLock } from "./wake-lock";

export interface SessionOptions {
  /** Whose page this is, until the server says. */
  role?: Role;
  /** What to take from elsewhere than the page: tests. */
  env?: Env;
}

/** Refusals that tell people nothing: the connection's state says it, or they did it themselves. */
const SILENT = new Set(["disconnected", "closed", "replaced", "not-authorized", "share-cancelled"]);

/** Opens the session of this page by its link or, after a reload, by its resume token. */
export function createSession({ role = "patient", env }: SessionOptions = {}): Session {
  return new Engine(env ?? browserEnv(), role);
}

class Engine implements Session {
  readonly #env: Env;
  readonly #role: Role;
  readonly #store: Store;
  readonly #connection: Connection;
  readonly #media: Media;
  readonly #audio: Audio;
  readonly #meter: Meter;
  readonly #devices: Devices;
  readonly #screen: ScreenShare;
  readonly #wakeLock: ScreenWakeLock;
  readonly #secret: string | null;
  readonly #telling = new Telling((message) => this.#connection.send(message));
  readonly #stops: (() => void)[];
  #speaker: boolean | null = null;
  #lines = 0;
  #disposed = false;

  readonly devices: Session["devices"] = {
    open: async (modality) => {
      this.#audio.wake();
      await this.#devices.open(modality);
      this.#say();
    },
    chooseMicrophone: (id) => this.#devices.choose("microphone", id),
    chooseCamera: (id) => this.#devices.choose("camera", id),
    playTestSound: async () => {
      await this.#audio.chime();
    },
    reportSpeaker: (heard) => {
      this.#speaker = heard;
      this.#step();
    },
  };

  constructor(env: Env, role: Role) {
    this.#env = env;
    this.#role = role;
    const keys = credentials(env);
    this.#audio = new Audio(env);
    this.#meter = new Meter(this.#audio);
    this.#wakeLock = new ScreenWakeLock(env);
    this.#screen = new ScreenShare(env, {
      request: (visit) => this.#command({ type: "share-request", visit }),
      stop: (visit, participant) => this.#command({ type: "share-stop", visit, participant }),
      track: (track) => this.#media.put("screen", track),
      changed: () => this.#showLocal(),
    });
    this.#store = new Store(initialState(this.#screen.supported));
    this.#devices = new Devices(env, this.#meter, {
      changed: () => this.#showLocal(),
      track: (kind, track) => {
        this.#media.put(kind, track);
        // A page that listens may speak: what the browser held back before, it lets out now.
        if (kind === "microphone" && track !== null) this.#media.unblockSound();
      },
    });
    this.#media = new Media(env, {
      offer: async (sdp, restart) => {
        const answer = await this.#connection.command({ type: "offer", sdp, restart }, true);
        if (answer.type !== "answer") throw new Refusal("internal", "Not an answer");
        return answer.sdp;
      },
      stalled: () => this.#connection.probe(),
      voiceless: () => void this.#devices.revive(),
      changed: (media) => this.#store.set({ media }),
    });
    const { newId, random } = env;
    const { join, secret, resume } = keys;
    this.#secret = secret;
    this.#connection = new Connection(
      env,
      { join, secret, resume, canShareScreen: this.#screen.supported, random, newId, traceparent: traceparent(newId) },
      {
        link: (link) => {
          this.#store.set({ link });
          // The seat is another's, or there is none: nothing of this device may go on being sent.
          if (link.is === "replaced" || link.is === "refused" || link.is === "closed") this.#release();
          this.#step();
        },
        greeting: (greeting) => this.#store.set({ greeting }),
        message: (message) => this.#message(message),
        keep: (token) => keys.keep(token),
      },
    );
    this.#stops = [
      env.on("online", () => {
        this.#connection.online();
        this.#media.networkChanged();
      }),
      env.on("networkchange", () => {
        this.#connection.probe();
        this.#media.networkChanged();
      }),
      env.on("visibilitychange", () => {
        if (env.visible()) this.#connection.online();
        this.#step();
      }),
    ];
    this.#connection.start();
    this.#step();
  }

  get state(): SessionState {
    return this.#store.state;
  }

  subscribe(listener: () => void): () => void {
    return this.#store.subscribe(listener);
  }

  async checkIn(modality: "video" | "sound"): Promise<void> {
    await this.#command({ type: "check-in", modality, devices: this.#findings() });
  }

  setMicrophone(on: boolean): void {
    this.#devices.switch("microphone", on);
  }

  setCamera(on: boolean): void {
    this.#devices.switch("camera", on);
  }

  unblockSound(): void {
    this.#audio.wake();
    this.#media.unblockSound();
  }

  async leave(): Promise<void> {
    // Whoever leaves is not heard any more, whether or not the server can be told now.
    this.#release();
    await this.#command({ type: "leave" });
  }

  async chat(visit: string, text: string): Promise<void> {
    const { me, greeting } = this.state;
    const seq = -++this.#lines;
    const at = this.#env.now() + this.state.clockOffset;
    const line: Line = { seq, from: me ?? "", role: greeting?.role ?? this.#role, at, text };
    this.#lineUp(visit, (lines) => saying(lines, line));
    try {
      await this.#command({ type: "chat", visit, text });
      this.#lineUp(visit, (lines) => settled(lines, seq, false));
    } catch (error) {
      this.#lineUp(visit, (lines) => settled(lines, seq, true));
      throw error;
    }
  }

  async shareScreen(): Promise<void> {
    await this.#screen.share();
  }

  async stopSharing(participant?: string): Promise<void> {
    await this.#screen.stop(participant ?? null);
  }

  async grantShare(participant: string): Promise<void> {
    const visit = this.state.visit?.id;
    if (visit === undefined) throw new Refusal("wrong-state", "Not in a visit");
    await this.#command({ type: "share-grant", visit, participant });
  }

  async admit(visit: string): Promise<void> {
    await this.#command({ type: "admit", visit });
  }

  async deny(visit: string, reason: string): Promise<void> {
    await this.#command({ type: "deny", visit, reason });
  }

  async end(visit: string, outcome: Parameters<Session["end"]>[1]): Promise<void> {
    await this.#command({ type: "end", visit, outcome });
  }

  async invite(name: string, reason: string): Promise<{ visit: string; link: string }> {
    const answer = await this.#command({ type: "invite", name, reason });
    if (answer.type !== "invited") throw new Refusal("internal", "Not an invitation");
    return { visit: answer.visit, link: answer.link };
  }

  async access(): Promise<Access> {
    if (this.#secret === null) throw new Refusal("not-authorized", "No link");
    let response: Response;
    try {
      response = await this.#env.fetch("/api/v1/visit/access", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ secret: this.#secret }),
        signal: AbortSignal.timeout?.(ACCESS_WITHIN_MS) ?? null,
        cache: "no-store",
        credentials: "omit",
      });
    } catch {
      throw new Refusal("unavailable", "No answer");
    }
    if (!response.ok) throw new Refusal(response.status === 401 ? "not-authorized" : "unavailable", "Refused");
    return (await response.json().catch(() => {
      throw new Refusal("unavailable", "No answer");
    })) as Access;
  }

  takeOver(): void {
    this.#connection.takeOver();
  }

  dismissProblem(): void {
    this.#store.set({ problem: null });
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const stop of this.#stops) stop();
    this.#connection.dispose();
    this.#media.close();
    this.#devices.close();
    this.#screen.close();
    this.#audio.close();
    void this.#wakeLock.want(false);
    this.#env.ticker.set(0, () => undefined);
  }

  /** A command of a person's: its refusal is theirs to read. */
  async #command(command: Command): ReturnType<Connection["command"]> {
    try {
      return await this.#connection.command(command);
    } catch (error) {
      const { code } = error as Refusal;
      if (!SILENT.has(code)) this.#store.set({ problem: problem(code, this.#env.random()) });
      throw error;
    }
  }

  #message(message: ServerMessage): void {
    const before = this.state.visit;
    this.#store.set(apply(this.state, message, this.#env.now(), this.#env.random()));
    if (message.type === "slots") this.#media.slots(message);
    else if (message.type === "media-closed") this.#media.closed();
    else if (message.type === "welcome") {
      this.#telling.forget();
      this.#store.set({ outdated: message.build !== this.#connection.build });
    } else if (message.type === "visit") {
      this.#screen.follow(message.visit, this.state.me);
      // The visit is over: the light of the camera goes off with it.
      const over = message.visit?.phase.is === "ended" && before?.phase.is !== "ended";
      if (over && this.state.queue === null) this.#release();
    }
    this.#step();
  }

  /** What follows from the state: media, wake lock, what the server is told, how often to look. */
  #step(): void {
    if (this.#disposed) return;
    const { link, visit, me } = this.state;
    const open = link.is === "open";
    const gone = link.is === "replaced" || link.is === "refused" || link.is === "closed";
    this.#media.follow(gone ? "idle" : wish(this.state), open, me);
    const present = visit?.phase.is === "waiting" || visit?.phase.is === "in-call";
    void this.#wakeLock.want(present && !gone);
    if (open) this.#say();
    const busy = !open || this.#media.busy || this.#devices.busy || this.#screen.view.status !== "off";
    this.#env.ticker.set(busy ? BUSY_TICK_MS : QUIET_TICK_MS, this.#tick);
  }

  readonly #tick = (): void => {
    if (this.#disposed) return;
    const now = this.#env.now();
    this.#connection.tick();
    this.#media.tick();
    this.#devices.tick(now);
    this.#screen.tick(now);
    this.#report(now);
  };

  #say(): void {
    if (this.state.link.is === "open") this.#telling.media(this.state.local);
  }

  /** Only a patient's devices are of interest, and only once somebody may look at them. */
  #report(now: number): void {
    const { link, visit, queue, greeting } = this.state;
    const role = greeting?.role ?? this.#role;
    const present = visit?.phase.is === "waiting" || visit?.phase.is === "in-call";
    if (link.is === "open" && queue === null && role === "patient" && present) this.#telling.health(now, this.#findings());
  }

  #findings(): DeviceHealth {
    const { local, media } = this.state;
    const { modality, paused } = this.#devices;
    const microphone = { heard: this.#meter.heard, mute: this.#meter.mute || paused };
    return health({ modality, local, microphone, speaker: this.#speaker, media, quality: this.#media.quality });
  }

  #showLocal(): void {
    this.#store.set({ local: { ...this.#devices.view, screen: this.#screen.view } });
    this.#step();
  }

  #lineUp(visit: string, change: (lines: Line[]) => Line[]): void {
    const { chat } = this.state;
    this.#store.set({ chat: { ...chat, [visit]: change(chat[visit] ?? []) } });
  }

  #release(): void {
    this.#screen.close();
    this.#devices.release();
    this.#media.close();
  }
}
