/** How loud the microphone is, and whether it gives anything at all. */
import type { Audio } from "./audio";
import { LEVEL_STEPS, SILENT_MICROPHONE_MS } from "./limits";

/** Quieter than this is not a quiet room but a microphone muted in hardware: every room hums. */
const NOTHING = 0.0001;

export class Meter {
  readonly #audio: Audio;
  #analyser: AnalyserNode | null = null;
  #source: MediaStreamAudioSourceNode | null = null;
  #samples = new Float32Array(0);
  #silentSince: number | null = null;
  /** Something was heard from this microphone. */
  heard = false;
  /** Nothing but zeros for seconds. */
  mute = false;

  constructor(audio: Audio) {
    this.#audio = audio;
  }

  attach(stream: MediaStream | null): void {
    this.#source?.disconnect();
    this.#source = this.#analyser = null;
    this.#silentSince = null;
    this.heard = this.mute = false;
    const context = stream === null ? null : this.#audio.wake();
    if (stream === null || context === null) return;
    this.#analyser = new AnalyserNode(context, { fftSize: 1024 });
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#source = context.createMediaStreamSource(stream);
    this.#source.connect(this.#analyser);
  }

  /** The level now, 0–1, in steps. `on`: it is not muted by its owner, so silence means something. */
  read(now: number, on: boolean): number {
    const analyser = this.#analyser;
    if (analyser === null || analyser.context.state !== "running") return 0;
    analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, sample) => sum + sample * sample, 0) / this.#samples.length;
    const loud = Math.sqrt(power);
    if (loud > NOTHING) {
      this.heard = true;
      this.mute = false;
      this.#silentSince = null;
    } else if (on) {
      this.#silentSince ??= now;
      this.mute = now - this.#silentSince >= SILENT_MICROPHONE_MS;
    } else this.#silentSince = null;
    return on ? scale(loud) : 0;
  }
}

/** −60 dB and less is 0, full scale is 1: as ears have it. */
export function scale(rms: number): number {
  const level = rms <= 0 ? 0 : Math.min(Math.max((20 * Math.log10(rms) + 60) / 60, 0), 1);
  return Math.round(level * LEVEL_STEPS) / LEVEL_STEPS;
}
