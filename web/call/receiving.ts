/** Who is in which receive slot, with which picture and how loud: slots → remotes. */
import type { Env } from "./env";
import { LEVEL_STEPS, SLOTS } from "./limits";
import type { Peer } from "./peer";
import type { MediaPath, Remote } from "./session";
import { Sound } from "./sound";
import type { Frames } from "./watch";

export class Receiving {
  readonly sound: Sound;
  #slots: (string | null)[] = [];
  #screen: string | null = null;
  #peer: Peer | null = null;
  #shown: MediaPath["screen"] = null;
  #remotes: Remote[] = [];

  constructor(env: Pick<Env, "createAudio" | "MediaStream">, changed: () => void) {
    this.sound = new Sound(env, changed);
  }

  get remotes(): Remote[] {
    return this.#remotes;
  }

  get screen(): MediaPath["screen"] {
    return this.#shown;
  }

  /** Somebody is there to be heard or seen. */
  get expected(): boolean {
    return this.#screen !== null || this.#slots.some((participant) => participant !== null);
  }

  /** The server's word on the slots. We never hear or see ourselves. */
  assign(slots: (string | null)[], screen: string | null, me: string | null): void {
    this.#slots = slots.slice(0, SLOTS).map((participant) => (participant === me ? null : participant));
    this.#screen = screen === me ? null : screen;
    this.#arrange();
  }

  /** From now on through this connection. */
  attach(peer: Peer): void {
    this.#peer = peer;
    this.#arrange();
  }

  /** The connection is gone, and everybody with it. */
  detach(): void {
    this.#peer = null;
    this.#slots = [];
    this.#screen = null;
    this.#arrange();
  }

  /** Looks at levels and pictures. */
  look(peer: Peer, frames: Frames): void {
    if (peer !== this.#peer) return;
    const next = this.#remotes.map((remote) => {
      const slot = this.#slots.indexOf(remote.participant);
      const video = peer.pool.slots[slot]?.video.receiver.track;
      const hasPicture = video !== undefined && frames.moving(video.id);
      const level = Math.round(peer.level(slot) * LEVEL_STEPS) / LEVEL_STEPS;
      return hasPicture === remote.hasPicture && level === remote.level ? remote : { ...remote, hasPicture, level };
    });
    if (next.some((remote, index) => remote !== this.#remotes[index])) this.#remotes = next;
  }

  close(): void {
    this.detach();
    this.sound.close();
  }

  #arrange(): void {
    const peer = this.#peer;
    const remotes: Remote[] = [];
    for (let slot = 0; slot < SLOTS; slot++) {
      const participant = this.#slots[slot] ?? null;
      const stream = peer?.streams[slot];
      const audio = peer?.pool.slots[slot]?.audio.receiver.track ?? null;
      this.sound.set(slot, participant === null ? null : audio);
      if (participant === null || stream === undefined) continue;
      const before = this.#remotes.find((remote) => remote.participant === participant && remote.stream === stream);
      remotes.push(before ?? { participant, stream, hasPicture: false, level: 0 });
    }
    const same = remotes.length === this.#remotes.length && remotes.every((remote, index) => remote === this.#remotes[index]);
    if (!same) this.#remotes = remotes;
    if (this.#screen === null || peer === null) this.#shown = null;
    else if (this.#shown?.participant !== this.#screen || this.#shown.stream !== peer.screen) {
      this.#shown = { participant: this.#screen, stream: peer.screen };
    }
  }
}
