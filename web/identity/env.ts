import { browserPasskeys, type Passkeys } from "./passkeys";

/** What a session needs of the browser. Tests and the gallery bring their own. */

/** What tabs of one browser tell each other. */
export type News = { is: "here"; at: number } | { is: "locked" } | { is: "unlocked" } | { is: "signed-out" };

export interface Env {
  fetch: (path: string, init: RequestInit) => Promise<Response>;
  /** Milliseconds since 1970. It goes on while the device sleeps. */
  now: () => number;
  /** Waits. */
  after: (ms: number) => Promise<void>;
  /** Calls again and again, until what it returns is called. */
  every: (ms: number, call: () => void) => () => void;
  /** Calls whenever somebody touches anything, until what it returns is called. */
  touched: (call: () => void) => () => void;
  /** Calls when the page is seen again or the network is back. */
  back: (call: () => void) => () => void;
  /** One tab of this browser at a time. */
  alone: <T>(work: () => Promise<T>) => Promise<T>;
  /** Tells the other tabs. */
  tell: (news: News) => void;
  /** Hears the other tabs. */
  hear: (call: (news: News) => void) => () => void;
  /** A signal that ends a request. */
  deadline: (ms: number) => AbortSignal;
  passkeys: Passkeys;
}

const CHANNEL = "telehealth.session";

/** The browser itself. */
export function browserEnv(): Env {
  // Old browsers have neither; then each tab is alone, which the server's grace allows for.
  const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(CHANNEL);
  const listen = (target: EventTarget, names: readonly string[], call: () => void) => {
    for (const name of names) target.addEventListener(name, call, { passive: true, capture: true });
    return () => {
      for (const name of names) target.removeEventListener(name, call, { capture: true });
    };
  };
  return {
    fetch: (path, init) => fetch(path, init),
    now: () => Date.now(),
    after: (ms) => new Promise((done) => setTimeout(done, ms)),
    every(ms, call) {
      const timer = setInterval(call, ms);
      return () => clearInterval(timer);
    },
    touched: (call) => listen(window, ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"], call),
    back(call) {
      const one = listen(window, ["online", "pageshow"], call);
      const two = listen(document, ["visibilitychange"], () => {
        if (!document.hidden) call();
      });
      return () => {
        one();
        two();
      };
    },
    alone: (work) => ("locks" in navigator ? navigator.locks.request(CHANNEL, work) : (work as () => Promise<never>)()) as ReturnType<typeof work>,
    tell: (news) => channel?.postMessage(news),
    hear(call) {
      const listener = (event: MessageEvent) => call(event.data as News);
      channel?.addEventListener("message", listener);
      return () => channel?.removeEventListener("message", listener);
    },
    deadline: (ms) => AbortSignal.timeout(ms),
    passkeys: browserPasskeys,
  };
}
