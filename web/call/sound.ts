/**
 * The sound of others. The engine owns the elements, so that no change of layout interrupts a voice, and
 * whether the browser lets sound play is known in one place. Pictures are shown by the pages, muted.
 */
import type { Env } from "./env";

export class Sound {
  readonly #env: Pick<Env, "createAudio" | "MediaStream">;
  readonly #changed: () => void;
  readonly #elements = new Map<number, { element: HTMLAudioElement; track: MediaStreamTrack; wanted: boolean }>();
  #blocked = false;

  constructor(env: Pick<Env, "createAudio" | "MediaStream">, changed: () => void) {
    this.#env = env;
    this.#changed = changed;
  }

  /** The browser refuses to play until somebody taps. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** Plays this track as slot `slot`, or nothing. */
  set(slot: number, track: MediaStreamTrack | null): void {
    const now = this.#elements.get(slot);
    if (track === null) {
      if (now) this.#remove(slot, now);
      return;
    }
    if (now?.track === track) return;
    if (now) {
      now.track = track;
      now.element.srcObject = new this.#env.MediaStream([track]);
      void this.#play(slot);
      return;
    }
    const element = this.#env.createAudio();
    element.srcObject = new this.#env.MediaStream([track]);
    // iOS pauses us for a telephone call: try to go on, and if that takes a tap, say so.
    element.onpause = () => void this.#play(slot);
    this.#elements.set(slot, { element, track, wanted: true });
    void this.#play(slot);
  }

  /** From a click: plays everything, which also allows what comes later. */
  async unblock(): Promise<void> {
    await Promise.all(Array.from(this.#elements.keys(), (slot) => this.#play(slot)));
    if (this.#elements.size === 0) this.#set(false);
  }

  close(): void {
    for (const [slot, sound] of Array.from(this.#elements)) this.#remove(slot, sound);
  }

  async #play(slot: number): Promise<void> {
    const sound = this.#elements.get(slot);
    if (!sound?.wanted) return;
    try {
      await sound.element.play();
      this.#set(false);
    } catch (error) {
      // Anything else (`AbortError`) means that another track took this one's place.
      if ((error as Error).name === "NotAllowedError") this.#set(true);
    }
  }

  #remove(slot: number, sound: { element: HTMLAudioElement; wanted: boolean }): void {
    sound.wanted = false;
    this.#elements.delete(slot);
    sound.element.onpause = null;
    sound.element.srcObject = null;
    sound.element.remove();
    if (this.#elements.size === 0) this.#set(false);
  }

  #set(blocked: boolean): void {
    if (this.#blocked === blocked) return;
    this.#blocked = blocked;
    this.#changed();
  }
}
