/** States that the pages can be in. Names are invented. */
import type { LocalMedia, MediaPath, SessionState } from "../call/session";
import type { DeviceHealth, PhaseView, QueueEntry, QueueView, VisitView } from "../protocol/generated";
import { clinician as clinicianPicture, documentScreen, patient as patientPicture, portrait } from "./pictures";

const MINUTE = 60_000;
/** Half past ten and two, on this device's clock. */
export const NOW = new Date(2026, 10, 23, 10, 32, 20).getTime();

export const clinic = { name: "Riverside Family Clinic", phone: "555-0100" };
export const longClinic = { name: "Universitätsklinikum Hamburg-Eppendorf Ambulanzzentrum für Kinderkardiologie", phone: "+49 40 555 0100-4417" };

const lazily = <T>(make: () => T) => {
  let made: T | undefined;
  return () => (made ??= make());
};
const clinicianStream = lazily(() => portrait(clinicianPicture));
const patientStream = lazily(() => portrait(patientPicture));
const screenStream = lazily(documentScreen);

const choices = [
  { id: "a", label: "Built-in microphone" },
  { id: "b", label: "Headset (Bluetooth)" },
];
const cameras = [
  { id: "front", label: "Front camera" },
  { id: "back", label: "Back camera" },
];

export const idle: LocalMedia = {
  status: "idle",
  microphone: { on: false, fault: null, level: 0, choices: [], chosen: null },
  camera: { on: false, fault: null, choices: [], chosen: null },
  stream: null,
  screen: { status: "off", stream: null, supported: true },
};

export function open(who: "patient" | "clinician", change: Partial<LocalMedia> = {}): LocalMedia {
  return {
    status: "open",
    microphone: { on: true, fault: null, level: 0.45, choices, chosen: "a" },
    camera: { on: true, fault: null, choices: cameras, chosen: "front" },
    stream: who === "patient" ? patientStream() : clinicianStream(),
    screen: { status: "off", stream: null, supported: true },
    ...change,
  };
}

export const quiet: MediaPath = {
  status: "idle",
  transport: null,
  remotes: [],
  screen: null,
  soundBlocked: false,
};

export function talking(other: "patient" | "clinician", change: Partial<MediaPath> = {}): MediaPath {
  return {
    status: "connected",
    transport: "udp",
    remotes: [
      {
        participant: other,
        stream: other === "patient" ? patientStream() : clinicianStream(),
        hasPicture: true,
        level: 0.3,
      },
    ],
    screen: null,
    soundBlocked: false,
    ...change,
  };
}

export const shared = (participant: string): MediaPath["screen"] => ({ participant, stream: screenStream() });
export const ownScreen = (): LocalMedia["screen"] => ({ status: "sharing", stream: screenStream(), supported: true });

export const waitingPhase = (minutes: number, ahead: number, range: [number, number] | null = [10, 20]): PhaseView => ({
  is: "waiting",
  since: NOW - minutes * MINUTE - 12_000,
  ahead,
  minutes: range,
});
export const inCall: PhaseView = { is: "in-call", startedAt: NOW - 7 * MINUTE - 41_000 };

export function visit(change: Partial<VisitView> = {}): VisitView {
  const person = { connected: true, awaySince: null, microphone: true, camera: true, canShareScreen: true };
  return {
    id: "visit-1",
    clinic,
    practitioner: "Dr Amara Lee",
    reason: "Follow-up, knee",
    scheduledAt: new Date(2026, 10, 23, 10, 30).getTime(),
    phase: { is: "booked" },
    media: "idle",
    participants: [
      { id: "clinician", role: "clinician", name: "Amara Lee", ...person },
      { id: "patient", role: "patient", name: "Marisol Vega", ...person },
    ],
    sharer: null,
    shareRequests: [],
    ...change,
  };
}

/** The same visit with one participant changed. */
export function withPerson(
  base: VisitView,
  id: string,
  change: Partial<VisitView["participants"][number]>,
): VisitView {
  return { ...base, participants: base.participants.map((one) => (one.id === id ? { ...one, ...change } : one)) };
}

function base(role: "patient" | "clinician"): SessionState {
  return {
    link: { is: "open" },
    greeting: { role, clinic, practitioner: "Dr Amara Lee", name: role === "patient" ? "Marisol Vega" : "Dr Amara Lee", scheduledAt: null },
    me: role,
    visit: null,
    queue: null,
    chat: {},
    local: idle,
    media: quiet,
    clockOffset: NOW - Date.now(),
    outdated: false,
    problem: null,
  };
}

export const patientState = (change: Partial<SessionState>): SessionState => ({ ...base("patient"), ...change });
export const clinicState = (change: Partial<SessionState>): SessionState => ({ ...base("clinician"), ...change });

type Lines = SessionState["chat"][string];
export const chat: Lines = [
  { seq: 1, from: "clinician", role: "clinician", at: NOW - 9 * MINUTE, text: "Running about 10 minutes late. Sorry!" },
  { seq: 2, from: "patient", role: "patient", at: NOW - 8 * MINUTE, text: "No problem, I am at home today." },
  { seq: 3, from: "clinician", role: "clinician", at: NOW - MINUTE, text: "Please have your list of medicines ready." },
];
export const chatTrouble: Lines = [
  ...chat,
  { seq: -1, from: "patient", role: "patient", at: NOW - 20_000, text: "I have it here.", pending: true },
  { seq: -2, from: "patient", role: "patient", at: NOW - 40_000, text: "Can you hear me?", failed: true },
];

export const good: DeviceHealth = { microphone: "good", camera: "good", speaker: "good", network: "good" };

export function entry(id: string, name: string, reason: string, phase: PhaseView, change: Partial<QueueEntry> = {}): QueueEntry {
  return {
    visit: id,
    participant: `${id}-p`,
    name,
    reason,
    scheduledAt: null,
    phase,
    modality: "video",
    devices: good,
    connected: true,
    awaySince: null,
    ...change,
  };
}

const at = (hour: number, minute: number) => new Date(2026, 10, 23, hour, minute).getTime();
const ended = (outcome: "done" | "technical-failure" | "patient-absent" | "denied" | "patient-left"): PhaseView => ({
  is: "ended",
  at: NOW - 25 * MINUTE,
  outcome,
  reason: null,
});

export const waiting: QueueEntry[] = [
  entry("visit-1", "Marisol Vega", "Follow-up, knee", waitingPhase(18, 0), { scheduledAt: at(10, 15), escalatedAt: NOW - 3 * MINUTE }),
  entry("visit-2", "Jonathan Okafor", "Blood pressure", waitingPhase(6, 1), {
    scheduledAt: at(10, 30),
    modality: "sound",
    devices: { ...good, camera: "off", network: "weak" },
  }),
  entry("visit-3", "Ingrid Sørensen", "Rash on the arm", waitingPhase(0, 2), {
    devices: { ...good, camera: "blocked", speaker: "unknown" },
  }),
];
export const later: QueueEntry[] = [
  entry("visit-4", "Tomás Herrera", "New patient", { is: "booked" }, { scheduledAt: at(11, 0), modality: null }),
  entry("visit-5", "Wei Zhang", "Medicines review", { is: "booked" }, { scheduledAt: at(11, 20), modality: null }),
];
export const before: QueueEntry[] = [
  entry("visit-6", "Ruth Abel", "Cough", ended("done")),
  entry("visit-7", "Samir Haddad", "", ended("technical-failure")),
];

export function queue(entries: QueueEntry[], change: Partial<QueueView> = {}): QueueView {
  return { clinic, practitioner: "Dr Amara Lee", entries, more: 0, media: "warm", ...change };
}

export const everybody = () => queue([...waiting, ...later, ...before]);

/** The database is away: what was done since is saved, and not recorded. */
export const unrecorded = (base: QueueView = everybody()): QueueView => ({
  ...base,
  unrecorded: true,
  entries: base.entries.map((one) => (one.visit === "visit-1" ? { ...one, unrecordedFrom: 3 } : one)),
});

export const threeHundred = () =>
  queue(
    Array.from({ length: 300 }, (_, row) =>
      entry(`row-${row}`, `${["Vega", "Okafor", "Sørensen", "Herrera", "Zhang"][row % 5]}, ${row + 1}`, "Vaccination", waitingPhase(299 - row, row), {
        devices: row % 7 === 3 ? { ...good, network: "weak" } : good,
      }),
    ),
    { more: 41 },
  );

export const noNames = () =>
  queue([
    entry("visit-1", "", "", waitingPhase(4, 0)),
    entry("visit-2", "", "", waitingPhase(1, 1), { connected: false, awaySince: NOW - 2 * MINUTE }),
  ]);

export const longNames = () =>
  queue(
    [
      entry(
        "visit-1",
        "María de los Ángeles Fernández-Villaverde y Rodríguez de Santillana",
        "Control después de la operación de rodilla derecha, con preguntas sobre la medicación y el transporte",
        waitingPhase(83, 0),
        { devices: { microphone: "weak", camera: "busy", speaker: "unknown", network: "weak" } },
      ),
      entry("visit-2", "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk", "Untersuchung", waitingPhase(12, 1), {
        connected: false,
        awaySince: NOW - 3 * MINUTE,
      }),
      entry("visit-3", "Ng", "", waitingPhase(0, 2), { modality: "sound" }),
    ],
    { clinic: longClinic, practitioner: "Prof. Dr. Maximiliane von Hohenstein-Württemberg" },
  );

export const longVisit = (change: Partial<VisitView>) =>
  visit({ clinic: longClinic, practitioner: "Prof. Dr. Maximiliane von Hohenstein-Württemberg", ...change });
