/** A session without a server: it shows a state, and its verbs change what a person would see change. */
import type { Session, SessionState } from "../call/session";

export function fakeSession(initial: SessionState): Session & { finish: (change: Partial<SessionState>) => void } {
  let state = initial;
  const listeners = new Set<() => void>();
  const set = (change: Partial<SessionState>) => {
    state = { ...state, ...change };
    for (const listener of listeners) listener();
  };
  const local = (change: Partial<SessionState["local"]>) => set({ local: { ...state.local, ...change } });
  const done = () => Promise.resolve();

  return {
    /** What the server would say next. */
    finish: set,
    get state() {
      return state;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    devices: {
      open: done,
      chooseMicrophone: done,
      chooseCamera: done,
      playTestSound: done,
      reportSpeaker: () => undefined,
    },
    checkIn: done,
    setMicrophone: (on) => local({ microphone: { ...state.local.microphone, on } }),
    setCamera: (on) => local({ camera: { ...state.local.camera, on } }),
    unblockSound: () => set({ media: { ...state.media, soundBlocked: false } }),
    leave: done,
    chat: (visit, text) => {
      const said = state.chat[visit] ?? [];
      const message = { seq: said.length + 1, from: state.me ?? "", role: "patient" as const, at: Date.now(), text };
      set({ chat: { ...state.chat, [visit]: [...said, message] } });
      return Promise.resolve();
    },
    shareScreen: done,
    stopSharing: done,
    grantShare: done,
    admit: done,
    deny: done,
    end: done,
    invite: () =>
      Promise.resolve({ visit: "invited", link: "https://visits.riverside.example/visit#k=Jd0s7pYx2mQvL4bTz9KcRw" }),
    takeOver: () => undefined,
    dismissProblem: () => set({ problem: null }),
    dispose: () => undefined,
  };
}
