/**
 * The engine's only clockwork. Ticks come from a worker, because browsers slow timers in hidden tabs down
 * to one a second or one a minute, and a patient who looks at another tab must still be reconnected.
 */
export interface Ticker {
  /** Calls `tick` every `periodMs`; 0 stops. Setting the period that is set already changes nothing. */
  set(periodMs: number, tick: () => void): void;
}

export function browserTicker(): Ticker {
  let worker: Worker | null = null;
  let fallback: ReturnType<typeof setInterval> | undefined;
  let period = 0;
  let onTick = (): void => undefined;
  const start = (): void => {
    try {
      worker = new Worker(new URL("./ticker.worker.ts", import.meta.url), { type: "module" });
      worker.onmessage = () => onTick();
      worker.onerror = () => {
        worker = null;
        run();
      };
    } catch {
      worker = null;
    }
  };
  const run = (): void => {
    clearInterval(fallback);
    if (worker) worker.postMessage(period);
    else if (period > 0) fallback = setInterval(() => onTick(), period);
  };
  return {
    set(periodMs, tick) {
      onTick = tick;
      if (periodMs === period) return;
      if (period === 0 && worker === null) start();
      period = periodMs;
      run();
      if (periodMs === 0) {
        worker?.terminate();
        worker = null;
      }
    },
  };
}
