/** One RTCPeerConnection with the fixed pool. Knows nothing of when to make one; `media.ts` does. */
import type { Env } from "./env";
import { SAY_COUNTS_EVERY } from "./limits";
import { addPool, keepSending, type Pool, type Tracks } from "./pool";
import { fits, startSharp } from "./sdp";
import { Refusal } from "./session";
import { type Reading, read } from "./stats";

export type PeerStatus = "connecting" | "connected" | "interrupted" | "dead";

/** From the server: "Until media flows, only reports will come". From us: "We would see them: we count bytes". */
const QUIET = 0x02;
/** The second of these, "and we wait for three seconds between two". A server from before passes over it. */
const PATIENT = 0x03;

export class Peer {
  readonly pc: RTCPeerConnection;
  readonly pool: Pool;
  /** One stream per slot, sound and picture together; what a slot shows changes, its tracks do not. */
  readonly streams: MediaStream[];
  readonly screen: MediaStream;
  /** Pulses heard so far. */
  pulses = 0;
  /** The latest one said that only reports will come, which show in the count of bytes. */
  quiet = false;
  #quick = 0;
  #counts = false;
  readonly #changed: (status: PeerStatus) => void;
  readonly #firefox: boolean;
  #closed = false;

  constructor(
    env: Pick<Env, "RTCPeerConnection" | "MediaStream" | "capabilities" | "userAgent">,
    tracks: Tracks,
    changed: (status: PeerStatus) => void,
  ) {
    this.#changed = changed;
    this.#firefox = /firefox/i.test(env.userAgent);
    this.pc = new env.RTCPeerConnection({ bundlePolicy: "max-bundle", rtcpMuxPolicy: "require" });
    this.pool = addPool(this.pc, tracks, env.capabilities);
    this.streams = this.pool.slots.map(
      ({ audio, video }) => new env.MediaStream([audio.receiver.track, video.receiver.track]),
    );
    this.screen = new env.MediaStream([this.pool.screenIn.receiver.track]);
    const { pulse } = this.pool;
    pulse.binaryType = "arraybuffer";
    pulse.onmessage = ({ data }: MessageEvent<unknown>) => {
      this.pulses += 1;
      this.quiet = data instanceof ArrayBuffer && new Uint8Array(data)[0] === QUIET;
      this.#quick = this.quiet ? 0 : this.#quick + 1;
      if (this.#counts && this.#quick >= SAY_COUNTS_EVERY) this.#sayCounts();
    };
    this.pc.onconnectionstatechange = () => this.#report();
    this.pc.oniceconnectionstatechange = () => this.#report();
  }

  /** The offer, at once: the server is ICE-lite and learns our addresses from STUN, so there is nothing to gather for. */
  async offer(restart: boolean): Promise<string> {
    await this.pc.setLocalDescription(await this.pc.createOffer({ iceRestart: restart }));
    const sdp = this.pc.localDescription?.sdp ?? "";
    if (!fits(sdp)) throw new Refusal("offer-too-large", "The offer is too large");
    return sdp;
  }

  async accept(answer: string): Promise<void> {
    if (this.#closed) return;
    await this.pc.setRemoteDescription({ type: "answer", sdp: this.#firefox ? answer : startSharp(answer) });
    if (!this.#closed) await keepSending(this.pool.camera.sender).catch(() => undefined);
  }

  /** Puts a track on its line, or takes it off; nothing is negotiated. */
  async put(kind: keyof Tracks, track: MediaStreamTrack | null): Promise<void> {
    if (!this.#closed) await this.pool[kind].sender.replaceTrack(track);
  }

  /** Changes with every packet that is played out: seen without asking for statistics. */
  glance(): string {
    const heard = [...this.pool.slots.flatMap(({ audio, video }) => [audio, video]), this.pool.screenIn].map(
      ({ receiver }) => receiver.getSynchronizationSources?.()[0]?.rtpTimestamp ?? 0,
    );
    return heard.join(" ");
  }

  /** Loudness of a slot, 0–1. */
  level(slot: number): number {
    return this.pool.slots[slot]?.audio.receiver.getSynchronizationSources?.()[0]?.audioLevel ?? 0;
  }

  async stats(): Promise<Reading | null> {
    if (this.#closed) return null;
    try {
      return read(await this.pc.getStats());
    } catch {
      return null;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.pc.onconnectionstatechange = null;
    this.pc.oniceconnectionstatechange = null;
    this.pool.pulse.onmessage = null;
    this.pc.close();
  }

  get connected(): boolean {
    return this.#status() === "connected";
  }

  /** The browser counts the bytes that come: the server is told, once it has been heard on the channel. */
  countsBytes(): void {
    if (this.#counts || this.pulses === 0) return;
    this.#counts = true;
    this.#sayCounts();
  }

  /** Whoever does not say so is sent pulses, as pages from before expect. */
  #sayCounts(): void {
    this.#quick = 0;
    try {
      for (const word of [QUIET, PATIENT]) this.pool.pulse.send(new Uint8Array([word]));
    } catch {
      // The channel is about to close, and the connection with it.
    }
  }

  #report(): void {
    if (!this.#closed) this.#changed(this.#status());
  }

  #status(): PeerStatus {
    const { iceConnectionState } = this.pc;
    // Firefox before 113 knows the state of ICE only.
    const connectionState =
      (this.pc.connectionState as RTCPeerConnectionState | undefined) ??
      (iceConnectionState === "completed" ? "connected" : iceConnectionState === "checking" ? "connecting" : iceConnectionState);
    if (connectionState === "failed" || connectionState === "closed") return "dead";
    if (connectionState === "disconnected" || iceConnectionState === "disconnected") return "interrupted";
    return connectionState === "connected" ? "connected" : "connecting";
  }
}
