/** Watches one connected peer: is anything coming in, over which transport, how well. */
import type { MediaWish } from "../protocol";
import {
  FIRST_PICTURE_MS,
  FLOWING_MS,
  PICTURE_MS,
  STALL_DOUBT_MS,
  STALL_FLOWING_MS,
  STALL_PULSES_MS,
  STALL_IDLE_MS,
  STALL_QUIET_MS,
  STATS_FIRST_MS,
  STATS_MS,
  STATS_WITHIN_MS,
} from "./limits";
import type { Peer } from "./peer";
import { Silence } from "./stall";
import type { Reading } from "./stats";

/** When a track's picture last moved, by the frames decoded. */
export class Frames {
  readonly #seen = new Map<string, { frames: number; at: number }>();
  #readAt = 0;

  note(now: number, frames: Map<string, number>): void {
    this.#readAt = now;
    for (const [track, count] of frames) {
      const before = this.#seen.get(track)?.frames ?? 0;
      if (count > before) this.#seen.set(track, { frames: count, at: now });
    }
  }

  get any(): boolean {
    return this.#seen.size > 0;
  }

  /** Frames of this track were being decoded at the last reading. A reading that is late proves no standstill. */
  moving(track: string): boolean {
    const seen = this.#seen.get(track);
    return seen !== undefined && this.#readAt - seen.at < PICTURE_MS;
  }
}

export class Watch {
  readonly #peer: Peer;
  readonly #clock: () => number;
  readonly #silence = new Silence();
  readonly frames = new Frames();
  transport: Reading["transport"] = null;
  quality: { rttMs: number | null; loss: number } = { rttMs: null, loss: 0 };
  #glance: string;
  #pulses = 0;
  /** The latest pulse said that only reports will come, and nothing else has since. */
  #quiet = false;
  /** Signs of life since the last stall. */
  #signs = 0;
  #flowingAt = Number.NEGATIVE_INFINITY;
  #reading: Reading | null = null;
  #readAt = Number.NEGATIVE_INFINITY;
  #askedAt: number | null = null;
  #expected = false;
  /** Until then the first picture is looked for often. */
  #pictureBy = 0;
  /** Readings taken in this silence: two that are alike prove it. */
  #doubts = 0;
  #wordlessSince: number | null = null;
  #wordlessMs = 0;

  constructor(peer: Peer, clock: () => number) {
    this.#peer = peer;
    this.#clock = clock;
    this.#glance = peer.glance();
  }

  /**
   * One look. True when the path is stalled. `expected`: somebody is there to be heard or seen; `patience`: how
   * many times as long as usual a silence must last.
   */
  tick(now: number, wish: MediaWish, expected: boolean, patience = 1): boolean {
    const glance = this.#peer.glance();
    const flowing = glance !== this.#glance;
    const pulsed = this.#peer.pulses !== this.#pulses;
    const silent = this.#silence.tick(now, flowing || pulsed);
    // Of a packet and a pulse that says so since the last look, the pulse is taken for the later one. If it was not, the
    // next packet puts that right; the other way round, nothing would before the silence is called a stall.
    if (pulsed) this.#quiet = this.#peer.quiet;
    else if (flowing) this.#quiet = false;
    this.#glance = glance;
    this.#pulses = this.#peer.pulses;
    if (flowing) this.#flowingAt = now;
    if (silent === 0) this.#doubts = 0;
    if (flowing || pulsed) this.#signs += 1;

    if (expected && !this.#expected) this.#pictureBy = now + FIRST_PICTURE_MS;
    this.#expected = expected;
    const period = now < this.#pictureBy && !this.frames.any ? STATS_FIRST_MS : STATS_MS;
    const limit = this.#limit(now - silent, wish === "live" && expected, patience);
    const doubtful = limit !== null && silent >= Math.max(STALL_DOUBT_MS, limit - 3 * STALL_DOUBT_MS);
    if (doubtful || now - this.#readAt >= period) void this.#ask(now, doubtful);
    const stalled = limit !== null && silent >= limit && this.#doubts >= 2;
    if (stalled) this.#signs = 0;
    return stalled;
  }

  /** It carries, or carries again after a stall: two looks in which something came, as one packet may be a late one. */
  get alive(): boolean {
    return this.#signs >= 2;
  }

  /** For how long, from reading to reading, no packet of our own sound has left. */
  get wordlessMs(): number {
    return this.#wordlessMs;
  }

  /** A packet left, or none was to be expected. */
  excuse(): void {
    this.#wordlessSince = null;
    this.#wordlessMs = 0;
  }

  /**
   * How long a silence means a stall; `null` while silence means nothing, as nobody promised a word.
   *
   * What counts is what the server promised, not who is unmuted: between "the microphone is on", which signaling
   * says, and the first packet, a report now and then is all that comes.
   */
  #limit(since: number, expected: boolean, patience: number): number | null {
    if (this.#peer.pulses === 0) return null;
    const busy = since - this.#flowingAt < FLOWING_MS ? STALL_FLOWING_MS : STALL_PULSES_MS;
    const usual = patience * (expected ? busy : STALL_IDLE_MS);
    return this.#quiet ? Math.max(usual, STALL_QUIET_MS) : usual;
  }

  async #ask(now: number, doubtful: boolean): Promise<void> {
    // A browser that never answers one question may answer the next.
    if (this.#askedAt !== null && now - this.#askedAt < STATS_WITHIN_MS) return;
    this.#askedAt = this.#readAt = now;
    const reading = await this.#peer.stats();
    if (this.#askedAt !== now) return;
    this.#askedAt = null;
    if (reading === null) {
      // Nothing to be learnt from the counters: the silence speaks for itself.
      if (doubtful) this.#doubts += 1;
      return;
    }
    const before = this.#reading;
    this.#reading = reading;
    this.transport = reading.transport ?? this.transport;
    this.frames.note(this.#clock(), reading.frames);
    if (before === null) return;
    if (reading.bytes > before.bytes && this.#counted(doubtful)) return;
    if (reading.spoken === null || reading.spoken > (before.spoken ?? 0)) this.excuse();
    else {
      this.#wordlessSince ??= now;
      this.#wordlessMs = now - this.#wordlessSince;
    }
    if (doubtful) {
      // The first reading of a silence compares with one from before it, so it proves nothing.
      if (this.#doubts > 0 && reading.bytes !== before.bytes) {
        this.#silence.broken();
        this.#doubts = 0;
      } else this.#doubts += 1;
      return;
    }
    const packets = reading.packets - before.packets;
    const lost = reading.lost - before.lost;
    const loss = packets + lost > 20 ? Math.max(lost, 0) / (packets + lost) : 0;
    this.quality = { rttMs: reading.rttMs, loss };
  }

  /** The count of bytes grew. Whether that ends a doubt. */
  #counted(doubtful: boolean): boolean {
    this.#peer.countsBytes();
    if (!this.#quiet) return false;
    this.#silence.broken();
    this.#doubts = 0;
    this.#signs += 1;
    return doubtful;
  }
}
