/** Every view and state, by name. `clicks` are made after it is drawn, by test id. */
import type { SessionState } from "../call/session";
import * as f from "./fixtures";

export interface View {
  id: string;
  app: "patient" | "clinic";
  state: () => SessionState;
  clicks?: readonly string[];
}

const p = (id: string, state: () => Partial<SessionState>, clicks: readonly string[] = []): View => ({
  id: `patient-${id}`,
  app: "patient",
  state: () => f.patientState(state()),
  clicks,
});
const c = (id: string, state: () => Partial<SessionState>, clicks: readonly string[] = []): View => ({
  id: `clinic-${id}`,
  app: "clinic",
  state: () => f.clinicState(state()),
  clicks,
});

const booked = (local: SessionState["local"]) => ({ visit: f.visit(), local });
const faulty = (microphone: SessionState["local"]["microphone"]["fault"], camera: SessionState["local"]["camera"]["fault"]) => {
  const local = f.open("patient");
  return booked({
    ...local,
    stream: microphone === null ? local.stream : null,
    microphone: { ...local.microphone, on: microphone === null, fault: microphone, level: 0.3 },
    camera: { ...local.camera, on: false, fault: camera },
  });
};
const waits = (ahead: number, change: Partial<SessionState> = {}, minutes = 6): Partial<SessionState> => ({
  visit: f.visit({ phase: f.waitingPhase(minutes, ahead), media: "warm" }),
  local: f.open("patient"),
  chat: { "visit-1": f.chat.slice(0, 1) },
  ...change,
});
const patientCall = (change: Partial<SessionState> = {}): Partial<SessionState> => ({
  visit: f.visit({ phase: f.inCall, media: "live" }),
  local: f.open("patient"),
  media: f.talking("clinician"),
  chat: { "visit-1": f.chat },
  ...change,
});
const over = (outcome: "done" | "technical-failure" | "patient-absent" | "denied" | "patient-left", reason: string | null = null) => ({
  link: { is: "closed" } as const,
  visit: f.visit({ phase: { is: "ended", at: f.NOW, outcome, reason } }),
});
const clinicCall = (change: Partial<SessionState> = {}): Partial<SessionState> => ({
  visit: f.visit({ phase: f.inCall, media: "live" }),
  queue: f.queue([
    ...f.waiting.slice(1),
    f.entry("visit-1", "Marisol Vega", "Follow-up, knee", f.inCall),
    ...f.later,
    ...f.before,
  ]),
  local: f.open("clinician"),
  media: f.talking("patient"),
  chat: { "visit-1": f.chat },
  ...change,
});
const lost = (seconds: number) => ({ is: "reconnecting", since: Date.now() - seconds * 1_000, attempt: 3 }) as const;

export const views: readonly View[] = [
  p("opening", () => ({ link: { is: "exchanging" }, greeting: null })),
  p("connecting", () => ({ link: { is: "connecting" } })),
  p("refused-unknown", () => ({ link: { is: "refused", because: "unknown", clinic: null }, greeting: null })),
  p("refused-over", () => ({ link: { is: "refused", because: "over", clinic: f.clinic }, greeting: null })),
  p("refused-no-secret", () => ({ link: { is: "refused", because: "no-secret", clinic: null }, greeting: null })),
  p("replaced", () => ({ link: { is: "replaced" } })),

  p("check-in", () => booked(f.idle)),
  p("check-in-sound", () => booked(f.idle), ["choose-sound"]),
  p("check-in-asking", () => booked({ ...f.idle, status: "asking" })),
  p("check-in-tested", () => booked(f.open("patient"))),
  p("check-in-speaker", () => booked(f.open("patient")), ["play-sound"]),
  p("check-in-camera-blocked", () => faulty(null, "blocked")),
  p("check-in-camera-busy", () => faulty(null, "busy")),
  p("check-in-camera-missing", () => faulty(null, "missing")),
  p("check-in-both-blocked", () => faulty("blocked", "blocked")),
  p("check-in-both-faulty", () => faulty("busy", "missing")),
  p("check-in-in-app-browser", () => faulty("in-app-browser", "in-app-browser")),
  p("check-in-insecure", () => faulty("insecure", "insecure")),
  p("check-in-long-names", () => ({
    visit: f.longVisit({}),
    local: f.open("patient"),
    greeting: { role: "patient", clinic: f.longClinic, practitioner: "", name: "María de los Ángeles Fernández-Villaverde y Rodríguez", scheduledAt: null },
  })),
  p("check-in-no-names", () => ({
    visit: f.visit({ practitioner: "Dr Lee", scheduledAt: null, clinic: { name: "Clinic", phone: "" } }),
    greeting: { role: "patient", clinic: { name: "Clinic", phone: "" }, practitioner: "Dr Lee", name: "", scheduledAt: null },
  })),

  p("waiting", () => waits(2)),
  p("waiting-next", () => waits(0, { visit: f.visit({ phase: f.waitingPhase(9, 0, [0, 5]), media: "warm" }) })),
  p("waiting-one", () => waits(1, { chat: {} })),
  p("waiting-many", () => waits(12, { visit: f.visit({ phase: f.waitingPhase(1, 12, null) }), chat: {} })),
  p("waiting-clinician-absent", () =>
    waits(2, { visit: f.withPerson(f.visit({ phase: f.waitingPhase(1, 2, null) }), "clinician", { connected: false }) })),
  p("waiting-late", () =>
    waits(1, { visit: f.visit({ phase: f.waitingPhase(31, 1), scheduledAt: f.NOW - 32 * 60_000 }) })),
  p("waiting-chat-trouble", () => waits(2, { chat: { "visit-1": f.chatTrouble } })),
  p("waiting-reloaded", () => waits(2, { local: f.idle })),
  p("waiting-reconnecting", () => waits(2, { link: lost(12) })),
  p("waiting-reconnecting-long", () => waits(2, { link: lost(48) })),
  p("waiting-newer-page", () => waits(2, { outdated: true })),
  p("waiting-stop", () => waits(2), ["leave"]),
  p("waiting-long-names", () => waits(2, { visit: f.longVisit({ phase: f.waitingPhase(6, 2) }) })),
  p("waiting-problem", () => waits(2, { problem: { code: "unavailable", reference: "UNAVAILABLE-7F2K" } })),

  p("call", () => patientCall()),
  p("call-connecting", () => patientCall({ media: f.talking("clinician", { status: "connecting", remotes: [] }) })),
  p("call-camera-off", () =>
    patientCall({
      visit: f.withPerson(f.visit({ phase: f.inCall }), "clinician", { camera: false, microphone: false }),
      local: f.open("patient", {
        microphone: { ...f.open("patient").microphone, on: false },
        camera: { ...f.open("patient").camera, on: false },
      }),
    })),
  p("call-away", () =>
    patientCall({
      visit: f.withPerson(f.visit({ phase: f.inCall }), "clinician", { connected: false }),
      media: f.talking("clinician", { remotes: [] }),
    })),
  p("call-stalled", () => patientCall({ media: f.talking("clinician", { status: "stalled" }) })),
  p("call-failed", () => patientCall({ media: f.talking("clinician", { status: "failed", remotes: [] }) })),
  p("call-reconnecting", () => patientCall({ link: lost(20) })),
  p("call-tap-to-hear", () => patientCall({ media: f.talking("clinician", { soundBlocked: true }) })),
  p("call-chat", () => patientCall(), ["chat"]),
  p("call-more", () => patientCall(), ["more"]),
  p("call-leave", () => patientCall(), ["leave"]),
  p("call-screen", () => patientCall({ media: f.talking("clinician", { screen: f.shared("clinician") }) })),
  p("call-share-requested", () =>
    patientCall({ local: f.open("patient", { screen: { status: "requested", stream: null, supported: true } }) })),
  p("call-share-granted", () =>
    patientCall({ local: f.open("patient", { screen: { status: "granted", stream: null, supported: true } }) })),
  p("call-sharing", () => patientCall({ local: f.open("patient", { screen: f.ownScreen() }) })),
  p("call-reloaded", () => patientCall({ local: f.idle })),
  p("call-long-names", () => patientCall({ visit: f.longVisit({ phase: f.inCall }) })),

  p("closed-done", () => over("done")),
  p("closed-left", () => ({ link: { is: "closed" }, visit: f.visit({ phase: f.inCall }) })),
  p("closed-stopped-waiting", () => over("patient-left")),
  p("closed-technical-failure", () => over("technical-failure")),
  p("closed-absent", () => over("patient-absent")),
  p("closed-denied", () => over("denied", "You need to be seen in person. The clinic will call you.")),

  p("access", () => waits(2), ["access"]),
  p("closed-access", () => over("done"), ["access"]),
  c("opening", () => ({ link: { is: "exchanging" }, greeting: null })),
  c("refused", () => ({ link: { is: "refused", because: "unknown", clinic: null }, greeting: null })),
  c("replaced", () => ({ link: { is: "replaced" } })),
  c("empty", () => ({ queue: f.queue([]) })),
  c("queue", () => ({ queue: f.everybody(), chat: { "visit-2": f.chat.slice(1, 2).map((line) => ({ ...line, from: "visit-2-p" })) } })),
  c("queue-devices-open", () => ({ queue: f.everybody(), local: f.open("clinician") })),
  c("queue-devices-blocked", () => ({
    queue: f.everybody(),
    local: f.open("clinician", {
      microphone: { ...f.idle.microphone, fault: "blocked" },
      camera: { ...f.idle.camera, fault: "blocked" },
      stream: null,
    }),
  })),
  c("queue-three-hundred", () => ({ queue: f.threeHundred() })),
  c("queue-no-names", () => ({ queue: f.noNames() })),
  c("queue-long-names", () => ({ queue: f.longNames() })),
  c("queue-reconnecting", () => ({ queue: f.everybody(), link: lost(12) })),
  c("queue-newer-page", () => ({ queue: f.everybody(), outdated: true })),
  c("queue-unrecorded", () => ({ queue: f.unrecorded(), local: f.open("clinician") })),
  c("who-unrecorded", () => ({ queue: f.unrecorded(), chat: { "visit-1": f.chat } }), ["queue-row"]),
  c("invite-unavailable", () => ({ queue: f.unrecorded() }), ["invite", "fake-refused"]),
  c("who", () => ({ queue: f.everybody(), chat: { "visit-1": f.chat } }), ["queue-row"]),
  c("who-confirmed", () => ({ queue: f.everybody() }), ["queue-row", "confirm-name", "confirm-birth"]),
  c("who-not-confirmed", () => ({ queue: f.everybody() }), ["queue-row", "admit"]),
  c("who-long-names", () => ({ queue: f.longNames() }), ["queue-row"]),
  c("who-no-name-away", () => ({
    queue: f.queue([f.entry("visit-1", "", "", f.waitingPhase(4, 0), { connected: false, awaySince: f.NOW - 150_000 })]),
  }), ["queue-row"]),
  c("deny", () => ({ queue: f.everybody() }), ["queue-row", "deny"]),
  c("deny-empty", () => ({ queue: f.everybody() }), ["queue-row", "deny", "confirm-deny"]),
  c("invite", () => ({ queue: f.everybody() }), ["invite"]),
  c("invite-empty", () => ({ queue: f.everybody() }), ["invite", "invite-make"]),
  c("keys", () => ({ queue: f.everybody() }), ["keys"]),
  c("problem", () => ({ queue: f.everybody(), problem: { code: "wrong-state", reference: "WRONG-STATE-7F2K" } })),
  c("call", () => clinicCall()),
  c("call-nobody-waits", () => clinicCall({ queue: f.queue([f.entry("visit-1", "Marisol Vega", "", f.inCall)]) })),
  c("call-people", () => clinicCall(), ["people"]),
  c("call-look", () => clinicCall(), ["queue-row"]),
  c("call-share-request", () => clinicCall({ visit: f.visit({ phase: f.inCall, shareRequests: ["patient"] }) })),
  c("call-screen", () =>
    clinicCall({ visit: f.visit({ phase: f.inCall, sharer: "patient" }), media: f.talking("patient", { screen: f.shared("patient") }) })),
  c("call-sharing", () => clinicCall({ local: f.open("clinician", { screen: f.ownScreen() }) })),
  c("call-patient-away", () =>
    clinicCall({
      visit: f.withPerson(f.visit({ phase: f.inCall }), "patient", { connected: false, awaySince: f.NOW - 12_000 }),
      media: f.talking("patient", { remotes: [] }),
    })),
  c("call-unrecorded", () =>
    clinicCall({ queue: f.unrecorded(f.queue([...f.waiting.slice(1), f.entry("visit-1", "Marisol Vega", "", f.inCall)])) })),
  c("call-stalled", () => clinicCall({ media: f.talking("patient", { status: "stalled", transport: "tcp" }) })),
  c("call-slow", () => clinicCall({ media: f.talking("patient", { transport: "tcp" }) })),
  c("call-reconnecting", () => clinicCall({ link: lost(7) })),
  c("call-tap-to-hear", () => clinicCall({ media: f.talking("patient", { soundBlocked: true }) })),
  c("call-long-names", () =>
    clinicCall({ queue: f.longNames(), visit: f.longVisit({ phase: f.inCall, reason: "Control después de la operación de rodilla derecha" }) })),
  c("end", () => clinicCall(), ["end"]),
  c("ended", () => ({
    ...clinicCall(),
    local: f.open("clinician"),
  }), ["fake-ended"]),
  c("signed-off", () => ({ queue: f.everybody(), link: { is: "closed" } })),
];
