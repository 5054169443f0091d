/** Two soft notes, made here: nothing to download, and the same in every browser. */
let context: AudioContext | null = null;

/** Call from a click: afterwards the notes may play at any time. */
export function primeSound(): void {
  try {
    context ??= new AudioContext();
    void context.resume();
  } catch {
    // No sound on this device; the title and the list still tell.
  }
}

/** Plays them. False when the browser holds sound back until somebody clicks. */
export async function chime(): Promise<boolean> {
  try {
    context ??= new AudioContext();
    if (context.state === "suspended") {
      // Some browsers leave this promise pending until there is a click.
      await Promise.race([context.resume(), new Promise((done) => setTimeout(done, 300))]);
    }
    if (context.state !== "running") return false;
    note(context, 659.25, 0);
    note(context, 880, 0.18);
    return true;
  } catch {
    return false;
  }
}

function note(audio: AudioContext, hertz: number, after_s: number): void {
  const start = audio.currentTime + after_s;
  const tone = audio.createOscillator();
  const gain = audio.createGain();
  tone.frequency.value = hertz;
  gain.gain.setValueAtTime(0, start);
  gain.gain.linearRampToValueAtTime(0.18, start + 0.02);
  gain.gain.exponentialRampToValueAtTime(0.001, start + 0.7);
  tone.connect(gain).connect(audio.destination);
  tone.start(start);
  tone.stop(start + 0.75);
}
