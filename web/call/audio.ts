/** One AudioContext for the page: the microphone's meter, the test sound, the arrival sound. */
import type { Env } from "./env";

export class Audio {
  readonly #make: Env["AudioContext"];
  #context: AudioContext | null = null;

  constructor(env: Pick<Env, "AudioContext">) {
    this.#make = env.AudioContext;
  }

  /** The context, woken up if the browser lets us (after a click, or while the microphone is open). */
  wake(): AudioContext | null {
    if (this.#make === undefined) return null;
    this.#context ??= new this.#make();
    if (this.#context.state !== "running") void this.#context.resume().catch(() => undefined);
    return this.#context;
  }

  /** Two soft notes, rising: heard over talk, startling nobody. Resolves when they are over. */
  async chime(notes: readonly number[] = [523.25, 659.25], volume = 0.25): Promise<boolean> {
    const context = this.wake();
    if (context === null) return false;
    await Promise.race([context.resume().catch(() => undefined), new Promise((done) => setTimeout(done, 500))]);
    if (context.state !== "running") return false;
    const start = context.currentTime + 0.05;
    const last = notes.map((frequency, index) => note(context, frequency, start + index * 0.28, volume)).at(-1);
    if (last === undefined) return false;
    await new Promise((done) => last.addEventListener("ended", done, { once: true }));
    return true;
  }

  close(): void {
    void this.#context?.close().catch(() => undefined);
    this.#context = null;
  }
}

function note(context: AudioContext, frequency: number, at: number, volume: number): OscillatorNode {
  const tone = new OscillatorNode(context, { type: "sine", frequency });
  const loudness = new GainNode(context, { gain: 0 });
  loudness.gain.setValueAtTime(0, at);
  loudness.gain.linearRampToValueAtTime(volume, at + 0.03);
  loudness.gain.exponentialRampToValueAtTime(0.0001, at + 0.6);
  tone.connect(loudness).connect(context.destination);
  tone.start(at);
  tone.stop(at + 0.65);
  return tone;
}
