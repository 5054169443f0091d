import { afterEach, expect, test, vi } from "vitest";
import { browserTicker } from "./ticker";

class FakeWorker {
  static made: FakeWorker[] = [];
  onmessage: (() => void) | null = null;
  onerror: (() => void) | null = null;
  periods: number[] = [];
  terminated = false;
  constructor(readonly url: URL) {
    FakeWorker.made.push(this);
  }
  postMessage(period: number) {
    this.periods.push(period);
  }
  terminate() {
    this.terminated = true;
  }
}

afterEach(() => {
  vi.useRealTimers();
  FakeWorker.made = [];
});

test("ticks come from a worker, so that a hidden tab gets them too", () => {
  vi.useFakeTimers();
  vi.stubGlobal("Worker", FakeWorker);
  let ticks = 0;
  const ticker = browserTicker();
  ticker.set(100, () => (ticks += 1));
  const [worker] = FakeWorker.made;
  expect(String(worker?.url)).toMatch(/ticker\.worker/);
  worker?.onmessage?.();
  expect(ticks).toBe(1);
  // Not from the page, whose timers are slowed down while it is hidden.
  vi.advanceTimersByTime(10_000);
  expect(ticks).toBe(1);
  ticker.set(100, () => (ticks += 1));
  ticker.set(1_000, () => (ticks += 1));
  expect(worker?.periods).toEqual([100, 1_000]);
  ticker.set(0, () => undefined);
  expect(worker?.terminated).toBe(true);
  expect(FakeWorker.made).toHaveLength(1);
});

test("without workers, and when one fails, the page ticks for itself", () => {
  vi.useFakeTimers();
  vi.stubGlobal("Worker", FakeWorker);
  let ticks = 0;
  const failing = browserTicker();
  failing.set(100, () => (ticks += 1));
  FakeWorker.made[0]?.onerror?.();
  vi.advanceTimersByTime(300);
  expect(ticks).toBe(3);
  failing.set(0, () => undefined);

  vi.stubGlobal("Worker", undefined);
  const without = browserTicker();
  without.set(100, () => (ticks += 1));
  vi.advanceTimersByTime(300);
  expect(ticks).toBe(6);
  without.set(0, () => undefined);
  vi.advanceTimersByTime(300);
  expect(ticks).toBe(6);
});

test("the worker posts a tick a period, and stops at zero", async () => {
  vi.useFakeTimers();
  let listen: (event: { data: number }) => void = () => undefined;
  const posted: unknown[] = [];
  vi.stubGlobal("addEventListener", (_: string, listener: typeof listen) => (listen = listener));
  vi.stubGlobal("postMessage", (message: unknown) => posted.push(message));
  await import("./ticker.worker");
  listen({ data: 100 });
  vi.advanceTimersByTime(250);
  expect(posted).toHaveLength(2);
  listen({ data: 0 });
  vi.advanceTimersByTime(1_000);
  expect(posted).toHaveLength(2);
});
