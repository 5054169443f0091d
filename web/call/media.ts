/**
 * The path to the media server: makes a connection when the server wishes for one, notices within half a
 * second that it carries nothing, and puts a new one in its place while the old one still stands.
 *
 * ```text
 * wish warm/live ──▶ next: offer ▸ answer ▸ ICE+DTLS ──▶ promoted to current (the old one is closed)
 *                      ▲  pause ◀── failed, too slow           │
 *                      └───────────────────────────── stalled, dead, closed by the server
 * ```
 * One that was silent and carries again before another was offered is kept.
 * A network change first tries an ICE restart: the same seat, one round trip.
 */
import { backoff, type MediaWish, type ServerMessage } from "../protocol";
import type { Env } from "./env";
import {
  CONNECT_WITHIN_MAX_MS,
  CONNECT_WITHIN_MS,
  FAILED_AFTER,
  FRESH_MS,
  LINGER_MS,
  MEDIA_BACKOFF_MAX_MS,
  MEDIA_BACKOFF_MS,
  RESTART_WITHIN_MS,
  STALL_AGAIN_MS,
  STALL_MAX_PATIENCE,
  VOICELESS_AGAIN_MS,
  VOICELESS_MS,
} from "./limits";
import { Peer, type PeerStatus } from "./peer";
import type { Tracks } from "./pool";
import { Receiving } from "./receiving";
import type { MediaPath } from "./session";
import { Watch } from "./watch";

export interface MediaEvents {
  /** Sends an offer and resolves with the answer. */
  offer(sdp: string, restart: boolean): Promise<string>;
  /** The path carries nothing: is the server there at all? */
  stalled(): void;
  /** The microphone is open, and nothing of it leaves. */
  voiceless(): void;
  changed(path: MediaPath): void;
}

interface Next {
  peer: Peer;
  since: number;
}

export class Media {
  readonly #env: Env;
  readonly #events: MediaEvents;
  readonly #receiving: Receiving;
  readonly #tracks: Tracks = { microphone: null, camera: null, screen: null };
  #wish: MediaWish = "idle";
  #open = false;
  #me: string | null = null;
  #current: Peer | null = null;
  #currentSince = 0;
  #watch: Watch | null = null;
  #next: Next | null = null;
  /** The current connection is to be replaced: it carries nothing, which may pass, or it is gone. */
  #broken: "silent" | "gone" | null = null;
  #restartUntil = 0;
  #stalledAt = Number.NEGATIVE_INFINITY;
  /** Stalls in a row, each soon after the one before. */
  #stalls = 0;
  #voicelessAt = Number.NEGATIVE_INFINITY;
  #attempt = 0;
  #retryAt = 0;
  #idleSince: number | null = null;
  #shown: MediaPath | null = null;

  constructor(env: Env, events: MediaEvents) {
    this.#env = env;
    this.#events = events;
    this.#receiving = new Receiving(env, () => this.#show());
  }

  /** Whether there is anything to watch closely. */
  get busy(): boolean {
    return this.#current !== null || this.#next !== null || this.#wish !== "idle";
  }

  /** Round trip and loss of the last second, if known. */
  get quality(): { rttMs: number | null; loss: number } {
    return this.#watch?.quality ?? { rttMs: null, loss: 0 };
  }

  /** What the server wishes, and whether it can be asked. */
  follow(wish: MediaWish, open: boolean, me: string | null): void {
    // Back after a loss: no reason to sit out a pause that began without a server.
    if (open && !this.#open) this.#retryAt = 0;
    this.#wish = wish;
    this.#open = open;
    this.#me = me;
    this.#step(this.#env.now());
  }

  slots(message: Extract<ServerMessage, { type: "slots" }>): void {
    this.#receiving.assign(message.slots, message.screen, this.#me);
    this.#show();
  }

  /** The server says that our session is gone. While one is being replaced that is no news. */
  closed(): void {
    const now = this.#env.now();
    if (this.#next !== null || now - this.#currentSince < FRESH_MS) return;
    this.#break("gone");
    this.#step(now);
  }

  /** What is sent from now on. */
  put(kind: keyof Tracks, track: MediaStreamTrack | null): void {
    this.#tracks[kind] = track;
    if (kind === "microphone") this.#watch?.excuse();
    for (const peer of [this.#current, this.#next?.peer]) void peer?.put(kind, track).catch(() => undefined);
  }

  /** The device is on another network: same seat, new path. */
  networkChanged(): void {
    if (this.#current !== null && this.#next === null) void this.#restart(this.#current);
  }

  unblockSound(): void {
    void this.#receiving.sound.unblock();
  }

  tick(): void {
    const now = this.#env.now();
    const current = this.#current;
    if (current !== null && this.#watch !== null) {
      const expected = this.#wish === "live" && this.#receiving.expected;
      const silent = this.#watch.tick(now, this.#wish, expected, this.#patience(now));
      this.#receiving.look(current, this.#watch.frames);
      if (silent && this.#broken === null && now >= this.#restartUntil) {
        this.#stuttered(now);
        this.#break("silent");
        this.#events.stalled();
      } else if (this.#broken === "silent" && this.#watch.alive && this.#next === null) {
        // The hole is over before the server could be asked for another one: that would only interrupt again.
        this.#broken = null;
        this.#attempt = 0;
      }
      this.#listen(now, this.#watch);
    }
    this.#step(now);
  }

  close(): void {
    this.#wish = "idle";
    this.#drop();
    this.#receiving.close();
    this.#show();
  }

  /** A stall whose server is there: not its end, but a path or a machine that stutters. */
  #stuttered(now: number): void {
    if (!this.#open) return;
    this.#stalls = now - this.#stalledAt < STALL_AGAIN_MS ? this.#stalls + 1 : 1;
    this.#stalledAt = now;
  }

  /** Does our own voice leave? */
  #listen(now: number, watch: Watch): void {
    const microphone = this.#tracks.microphone;
    const open = microphone?.readyState === "live" && microphone.enabled && !microphone.muted;
    if (!open || this.#broken !== null) return watch.excuse();
    if (watch.wordlessMs < VOICELESS_MS || now - this.#voicelessAt < VOICELESS_AGAIN_MS) return;
    this.#voicelessAt = now;
    this.#events.voiceless();
  }

  #patience(now: number): number {
    return now - this.#stalledAt < STALL_AGAIN_MS ? Math.min(2 ** this.#stalls, STALL_MAX_PATIENCE) : 1;
  }

  #break(why: "silent" | "gone"): void {
    this.#broken = why;
    this.#retryAt = 0;
  }

  #step(now: number): void {
    if (this.#wish === "idle") {
      this.#idleSince ??= now;
      if (now - this.#idleSince >= LINGER_MS) this.#drop();
      return this.#show();
    }
    this.#idleSince = null;
    if (this.#next !== null && now - this.#next.since >= this.#connectWithin()) {
      // A page that was frozen may hear of the time before it hears of the connection.
      if (this.#next.peer.connected) this.#promote(this.#next.peer);
      else this.#failed(this.#next.peer);
    }
    const needed = this.#current === null || this.#broken !== null;
    if (needed && this.#next === null && this.#open && now >= this.#retryAt) void this.#connect(now);
    this.#show();
  }

  /** The next attempt gets more time: on a slow machine, beginning anew is what takes longest. */
  #connectWithin(): number {
    return Math.min(CONNECT_WITHIN_MS * (1 + this.#attempt), CONNECT_WITHIN_MAX_MS);
  }

  async #connect(now: number): Promise<void> {
    // Coming back in a call: the voice first, the picture once the path is up.
    const again = this.#current !== null;
    const tracks = again ? { ...this.#tracks, camera: null } : { ...this.#tracks };
    let peer: Peer;
    try {
      peer = new Peer(this.#env, tracks, (status) => this.#changed(peer, status));
    } catch {
      // No WebRTC in here, or too many connections: `failed` says so, and trying goes on.
      return this.#later();
    }
    this.#next = { peer, since: now };
    try {
      const answer = await this.#events.offer(await peer.offer(false), false);
      if (this.#next?.peer === peer) await peer.accept(answer);
    } catch {
      this.#failed(peer);
    }
  }

  #changed(peer: Peer, status: PeerStatus): void {
    if (peer === this.#next?.peer) {
      if (status === "connected") this.#promote(peer);
      else if (status === "dead") this.#failed(peer);
    } else if (peer === this.#current) {
      if (status === "connected") this.#restartUntil = 0;
      else if (status === "interrupted") this.networkChanged();
      // Firefox does not come back from `failed` by a restart (w3c/webrtc-pc#3139), so nobody tries.
      else if (status === "dead") this.#break("gone");
      this.#step(this.#env.now());
    }
  }

  #promote(peer: Peer): void {
    const now = this.#env.now();
    this.#current?.close();
    this.#current = peer;
    this.#currentSince = now;
    this.#watch = new Watch(peer, this.#env.now);
    this.#next = null;
    this.#broken = null;
    this.#attempt = 0;
    this.#restartUntil = 0;
    for (const kind of ["microphone", "camera", "screen"] as const) {
      if (peer.pool[kind].sender.track !== this.#tracks[kind]) void peer.put(kind, this.#tracks[kind]).catch(() => undefined);
    }
    this.#receiving.attach(peer);
    this.#show();
  }

  #failed(peer: Peer): void {
    if (this.#next?.peer !== peer) return;
    this.#next = null;
    peer.close();
    this.#later();
  }

  /** Again, after a pause. */
  #later(): void {
    this.#attempt += 1;
    const pause = backoff(this.#attempt, this.#env.random(), MEDIA_BACKOFF_MS, MEDIA_BACKOFF_MAX_MS);
    this.#retryAt = this.#env.now() + pause;
    this.#show();
  }

  async #restart(peer: Peer): Promise<void> {
    const now = this.#env.now();
    if (!this.#open || now < this.#restartUntil || this.#broken !== null) return;
    this.#restartUntil = now + RESTART_WITHIN_MS;
    try {
      const answer = await this.#events.offer(await peer.offer(true), true);
      if (this.#current === peer) await peer.accept(answer);
    } catch {
      // The server does not know the session any more, or cannot be asked: a new one it is.
      if (this.#current === peer) this.#break("gone");
      this.#step(this.#env.now());
    }
  }

  #drop(): void {
    this.#current?.close();
    this.#next?.peer.close();
    this.#current = this.#next = this.#watch = null;
    this.#broken = null;
    this.#attempt = this.#retryAt = 0;
    this.#receiving.detach();
  }

  #show(): void {
    const path: MediaPath = {
      status: this.#status(),
      transport: this.#current === null ? null : (this.#watch?.transport ?? null),
      remotes: this.#receiving.remotes,
      screen: this.#receiving.screen,
      soundBlocked: this.#receiving.sound.blocked,
    };
    const shown = this.#shown;
    if (shown !== null && (Object.keys(path) as (keyof MediaPath)[]).every((key) => shown[key] === path[key])) return;
    this.#shown = path;
    this.#events.changed(path);
  }

  #status(): MediaPath["status"] {
    if (this.#current !== null && this.#broken === null) return "connected";
    if (this.#wish === "idle") return "idle";
    if (this.#attempt >= FAILED_AFTER) return "failed";
    return this.#current === null ? "connecting" : "stalled";
  }
}
