import type { SessionState } from "./session";

/** The one observable state. Snapshots are never changed, only replaced. */
export class Store {
  #state: SessionState;
  readonly #listeners = new Set<() => void>();

  constructor(state: SessionState) {
    this.#state = state;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Replaces what differs; nobody is told of a change that is none. */
  set(patch: Partial<SessionState>): void {
    const keys = Object.keys(patch) as (keyof SessionState)[];
    if (keys.every((key) => Object.is(this.#state[key], patch[key]))) return;
    this.#state = { ...this.#state, ...patch };
    for (const listener of Array.from(this.#listeners)) listener();
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** Before anything happened. */
export function initialState(screenSupported: boolean): SessionState {
  return {
    link: { is: "connecting" },
    greeting: null,
    me: null,
    visit: null,
    queue: null,
    chat: {},
    local: {
      status: "idle",
      microphone: { on: false, fault: null, level: 0, choices: [], chosen: null },
      camera: { on: false, fault: null, choices: [], chosen: null },
      stream: null,
      screen: { status: "off", stream: null, supported: screenSupported },
    },
    media: { status: "idle", transport: null, remotes: [], screen: null, soundBlocked: false },
    clockOffset: 0,
    outdated: false,
    problem: null,
  };
}
