/** Keeps the screen on while somebody waits or talks. The browser takes the lock away whenever the page is hidden. */
import type { Env } from "./env";

export class ScreenWakeLock {
  readonly #env: Pick<Env, "wakeLock" | "visible">;
  #wanted = false;
  #asking = false;
  #lock: WakeLockSentinel | null = null;

  constructor(env: Pick<Env, "wakeLock" | "visible">) {
    this.#env = env;
  }

  /** Whether the screen is to stay on. Call again when the page is seen again. */
  async want(wanted: boolean): Promise<void> {
    this.#wanted = wanted;
    if (!wanted) {
      const lock = this.#lock;
      this.#lock = null;
      await lock?.release().catch(() => undefined);
      return;
    }
    if (this.#asking || (this.#lock !== null && !this.#lock.released) || !this.#env.visible()) return;
    this.#asking = true;
    // Refused on a low battery: the call goes on, the screen goes dark.
    this.#lock = (await this.#env.wakeLock?.request("screen").catch(() => null)) ?? null;
    this.#asking = false;
    if (!this.#wanted) await this.want(false);
  }
}
