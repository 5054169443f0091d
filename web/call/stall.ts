import { STALL_STEP_MS } from "./limits";

/**
 * For how long nothing has come in. Counted in ticks, not read off the clock: a page that the browser had
 * frozen, or a laptop that slept, heard nothing either way and must not blame the network for it.
 */
export class Silence {
  #ms = 0;
  #last: number | null = null;

  /** One look: was there any sign of life since the last one? Returns the silence so far, milliseconds. */
  tick(now: number, alive: boolean): number {
    const step = this.#last === null ? 0 : Math.min(Math.max(now - this.#last, 0), STALL_STEP_MS);
    this.#last = now;
    this.#ms = alive ? 0 : this.#ms + step;
    return this.#ms;
  }

  get ms(): number {
    return this.#ms;
  }

  /** A sign of life seen some other way. */
  broken(): void {
    this.#ms = 0;
  }
}
