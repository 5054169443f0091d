/** A session without a server: it shows a state, and its verbs change what a person would see change. */
import type { Access, Session, SessionState } from "../call/session";

const HOUR = 3_600_000;
const NOW = Date.now();

/** What a patient reads of who opened their visit. */
const ACCESS: Promise<Access> = Promise.resolve({
  clinic: { name: "Riverside Family Clinic", phone: "555-0100" },
  bookedAt: NOW - 50 * HOUR,
  endedAt: null,
  lines: [
    { at: NOW - 0.2 * HOUR, what: "emergency", why: { is: "emergency", category: "nobody-there" }, role: "clinician", name: "Dr Noor Haddad-Villaverde" },
    { at: NOW - 0.3 * HOUR, since: NOW - 0.5 * HOUR, what: "care", why: { is: "care" }, role: "clinician", name: "Dr Amara Lee" },
    { at: NOW - HOUR, what: "list", why: { is: "care" }, role: "clinician", name: "Dr Amara Lee" },
    { at: NOW - 20 * HOUR, what: "read", why: { is: "care" }, role: "interpreter" },
    { at: NOW - 50 * HOUR, what: "booked", why: { is: "care" }, role: "clinician", name: "Dr Amara Lee" },
  ],
  more: false,
});

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
    access: () => ACCESS,
    takeOver: () => undefined,
    dismissProblem: () => set({ problem: null }),
    dispose: () => undefined,
  };
}
