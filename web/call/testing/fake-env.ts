/** An {@link Env} without a browser: a clock that is set by hand, sockets and peers that do as they are told. */
import type { Env } from "../env";
import { FakePeerConnection } from "./fake-peer";
import { FakeSocket } from "./fake-socket";
import { FakeStream, FakeTrack } from "./fake-tracks";

export interface FakeAudio {
  srcObject: FakeStream | null;
  playing: boolean;
  removed: boolean;
  onpause: (() => void) | null;
}

export class FakeEnv implements Env {
  time = 1_000_000;
  period = 0;
  sockets: FakeSocket[] = [];
  peers: FakePeerConnection[] = [];
  sounds: FakeAudio[] = [];
  stored = new Map<string, string>();
  urls: string[] = [];
  posts: { url: string; body: string }[] = [];
  /** What the next exchange answers. */
  exchange: () => Response = () =>
    Response.json({
      joinToken: "join",
      role: "patient",
      clinic: { name: "Riverside", phone: "555-0100" },
      practitioner: "Dr Lee",
      name: "Marisol",
      scheduledAt: null,
    });
  /** `play()` is refused until somebody taps. */
  autoplay = true;
  shown = true;
  location = { origin: "http://localhost:8080", pathname: "/visit", search: "", hash: "#k=secret" };
  userAgent = "Mozilla/5.0 Chrome/156";
  secureContext = true;
  locks: { released: boolean; release(): Promise<void> }[] = [];
  devices = new FakeDevices();
  #tick: () => void = () => undefined;
  readonly #listeners = new Map<string, Set<() => void>>();
  #ids = 0;

  AudioContext = undefined;
  permissions: Env["permissions"] = undefined;
  mediaDevices: MediaDevices | undefined = this.devices as unknown as MediaDevices;
  MediaStream = FakeStream as unknown as Env["MediaStream"];
  fetch: typeof fetch = (input, init) => {
    this.posts.push({ url: String(input), body: String(init?.body) });
    return Promise.resolve(this.exchange());
  };
  storage: Env["storage"] = {
    getItem: (key) => this.stored.get(key) ?? null,
    setItem: (key, value) => void this.stored.set(key, value),
    removeItem: (key) => void this.stored.delete(key),
  };
  wakeLock = {
    request: () => {
      const lock = { released: false, release: () => ((lock.released = true), Promise.resolve()) };
      this.locks.push(lock);
      return Promise.resolve(lock as unknown as WakeLockSentinel);
    },
  };
  ticker: Env["ticker"] = {
    set: (period, tick) => {
      this.period = period;
      this.#tick = tick;
    },
  };
  readonly WebSocket: Env["WebSocket"];
  readonly RTCPeerConnection: Env["RTCPeerConnection"];

  constructor() {
    const { sockets, peers } = this;
    this.WebSocket = class extends FakeSocket {
      constructor(url: string, protocol: string) {
        super(url, protocol);
        sockets.push(this);
      }
    } as unknown as Env["WebSocket"];
    this.RTCPeerConnection = class extends FakePeerConnection {
      constructor(configuration: RTCConfiguration) {
        super(configuration);
        peers.push(this);
      }
    } as unknown as Env["RTCPeerConnection"];
  }

  createAudio = (): HTMLAudioElement => {
    const sound = {
      srcObject: null,
      playing: false,
      removed: false,
      onpause: null,
      play: () => {
        if (!this.autoplay) return Promise.reject(new DOMException("tap first", "NotAllowedError"));
        sound.playing = true;
        return Promise.resolve();
      },
      remove: () => (sound.removed = true),
    };
    this.sounds.push(sound);
    return sound as unknown as HTMLAudioElement;
  };
  capabilities = (kind: "audio" | "video"): RTCRtpCodec[] =>
    (kind === "audio" ? ["opus", "red", "G722", "PCMU"] : ["VP8", "rtx", "VP9", "H264", "AV1", "ulpfec"]).map((name) => ({
      mimeType: `${kind}/${name}`,
      clockRate: 90_000,
    }));
  replaceUrl = (url: string): void => void this.urls.push(url);
  visible = (): boolean => this.shown;
  now = (): number => this.time;
  random = (): number => 0;
  newId = (): string => `id-${++this.#ids}`;
  on: Env["on"] = (event, listener) => {
    const all = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, all.add(listener));
    return () => all.delete(listener);
  };

  fire(event: "online" | "visibilitychange" | "networkchange"): void {
    for (const listener of this.#listeners.get(event) ?? []) listener();
  }

  listeners(): number {
    return Array.from(this.#listeners.values()).reduce((sum, all) => sum + all.size, 0);
  }

  /** Lets time pass as a browser would: tick by tick, with promises settled in between. */
  async pass(ms: number): Promise<void> {
    const until = this.time + ms;
    await settle();
    while (this.time < until && this.period > 0) {
      this.time = Math.min(this.time + this.period, until);
      this.#tick();
      await settle();
    }
    this.time = until;
  }

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error("no socket was opened");
    return socket;
  }

  get peer(): FakePeerConnection {
    const peer = this.peers.at(-1);
    if (peer === undefined) throw new Error("no peer was made");
    return peer;
  }
}

/** Promises that are due are through. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) await Promise.resolve();
  await new Promise((done) => setImmediate(done));
}

/** `navigator.mediaDevices`: what it gives and what it throws is set by the test. */
export class FakeDevices extends EventTarget {
  asked: MediaStreamConstraints[] = [];
  tracks: FakeTrack[] = [];
  /** The prompt shows until this settles. */
  prompt: Promise<void> | null = null;
  /** Error names by kind; `both` fails only a request for the two together. */
  refuse: { audio?: string; video?: string; both?: string; display?: string } = {};
  list: { kind: MediaDeviceKind; deviceId: string; label: string }[] = [
    { kind: "audioinput", deviceId: "mic-1", label: "Built-in" },
    { kind: "videoinput", deviceId: "cam-1", label: "Front" },
  ];

  async getUserMedia(constraints: MediaStreamConstraints): Promise<FakeStream> {
    this.asked.push(constraints);
    await this.prompt;
    const wanted = (["audio", "video"] as const).filter((kind) => constraints[kind] !== undefined);
    const error = (wanted.length === 2 ? this.refuse.both : undefined) ?? wanted.map((kind) => this.refuse[kind]).find(Boolean);
    if (error !== undefined) return Promise.reject(new DOMException("no", error));
    return Promise.resolve(new FakeStream(wanted.map((kind) => this.#track(kind, constraints[kind]))));
  }

  getDisplayMedia(constraints: MediaStreamConstraints): Promise<FakeStream> {
    this.asked.push(constraints);
    if (this.refuse.display !== undefined) return Promise.reject(new DOMException("no", this.refuse.display));
    return Promise.resolve(new FakeStream([this.#track("video", undefined)]));
  }

  enumerateDevices(): Promise<FakeDevices["list"]> {
    return Promise.resolve(this.list);
  }

  #track(kind: "audio" | "video", constraint: MediaTrackConstraints | boolean | undefined): FakeTrack {
    const exact = typeof constraint === "object" ? (constraint.deviceId as { exact?: string } | undefined)?.exact : undefined;
    const track = new FakeTrack(kind, exact ?? (kind === "audio" ? "mic-1" : "cam-1"));
    this.tracks.push(track);
    return track;
  }
}
