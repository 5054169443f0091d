/**
 * The seam between the engine (`protocol/`, `call/`) and the apps: one observable state and a few
 * verbs. The engine knows no framework; the apps know no WebSocket and no RTCPeerConnection.
 *
 * `state` is an immutable snapshot, replaced on every change, so that
 * `useSyncExternalStore(session.subscribe, () => session.state)` works as it stands.
 */
import type { ChatMessage, DeviceHealth, Modality, Outcome, QueueView, VisitView } from "../protocol/generated";
import type { Role } from "../protocol/generated";

/** How the signaling connection stands. */
export type Link =
  | { is: "exchanging" }
  | { is: "connecting" }
  | { is: "open" }
  /** Lost; trying again by itself. `since` is device time, milliseconds. */
  | { is: "reconnecting"; since: number; attempt: number }
  /** A newer tab or device took over (4409). Never taken back by itself; `session.takeOver()` does. */
  | { is: "replaced" }
  /** The link gives nothing (401), its visit is over (410), or there is no secret in the URL. */
  | { is: "refused"; because: "unknown" | "over" | "no-secret"; clinic: { name: string; phone: string } | null }
  /** Left or ended; nothing is running any more. */
  | { is: "closed" };

/** Why a device cannot be used; the error catalogue has words for each. */
export type DeviceFault = "blocked" | "busy" | "missing" | "in-app-browser" | "insecure" | "unknown";

/** One choosable device. */
export interface DeviceChoice {
  id: string;
  label: string;
}

/** This device's own camera and microphone. */
export interface LocalMedia {
  /** `idle` until `session.devices.open()`; the browser's prompt shows while `asking`. */
  status: "idle" | "asking" | "open";
  microphone: { on: boolean; fault: DeviceFault | null; level: number; choices: DeviceChoice[]; chosen: string | null };
  camera: { on: boolean; fault: DeviceFault | null; choices: DeviceChoice[]; chosen: string | null };
  /** For a `<video muted>` preview. */
  stream: MediaStream | null;
  screen: { status: "off" | "requested" | "granted" | "sharing"; stream: MediaStream | null; supported: boolean };
}

/** Somebody else, as heard and seen. */
export interface Remote {
  participant: string;
  /**
   * Their sound and picture, one stream, so that the browser keeps lips and voice together.
   *
   * Show it in a **muted** `<video autoplay playsinline muted>`: the engine plays the sound itself, so
   * that a view that unmounts or lays itself out anew never interrupts a voice, a picture never waits
   * for permission to sound, and `soundBlocked` is known in one place.
   */
  stream: MediaStream;
  /** A picture is arriving (frames were decoded in the last two seconds). */
  hasPicture: boolean;
  /** Sound level 0–1. */
  level: number;
}

/** The path to the media server. */
export interface MediaPath {
  status: "idle" | "connecting" | "connected" | "stalled" | "failed";
  /** Transport of the selected candidate pair. */
  transport: "udp" | "tcp" | "relay" | null;
  remotes: Remote[];
  /** The screen being shared, and by whom. */
  screen: { participant: string; stream: MediaStream } | null;
  /** The browser refuses to play sound until somebody taps. `session.unblockSound()` from a click. */
  soundBlocked: boolean;
}

/** Everything a page needs to draw itself. */
export interface SessionState {
  link: Link;
  /** Greeting data, known before the connection is open. */
  greeting: {
    role: Role;
    clinic: { name: string; phone: string };
    practitioner: string;
    name: string;
    scheduledAt: number | null;
  } | null;
  me: string | null;
  visit: VisitView | null;
  queue: QueueView | null;
  /** By visit id, oldest first. Messages not yet recorded are marked `pending`. */
  chat: Record<string, (ChatMessage & { pending?: boolean; failed?: boolean })[]>;
  local: LocalMedia;
  media: MediaPath;
  /** Server clock minus device clock, milliseconds. */
  clockOffset: number;
  /** The server serves a newer build of this page: reload when nothing is going on. */
  outdated: boolean;
  /** The newest refusal that a person should read; cleared by `dismissProblem()`. */
  problem: { code: string; reference: string } | null;
}

/** The verbs. Each resolves when the server has recorded it and rejects with a {@link Refusal}. */
export interface Session {
  readonly state: SessionState;
  subscribe(listener: () => void): () => void;

  devices: {
    /** Asks for camera and microphone (or microphone only). Explain before calling. */
    open(modality: Modality): Promise<void>;
    chooseMicrophone(id: string): Promise<void>;
    chooseCamera(id: string): Promise<void>;
    /** Plays the test sound; resolves when it has played. */
    playTestSound(): Promise<void>;
    /** What the person answered to "did you hear it?". */
    reportSpeaker(heard: boolean): void;
  };

  checkIn(modality: Modality): Promise<void>;
  setMicrophone(on: boolean): void;
  setCamera(on: boolean): void;
  unblockSound(): void;
  leave(): Promise<void>;
  chat(visit: string, text: string): Promise<void>;
  /** From a click: asks the server, then the browser. */
  shareScreen(): Promise<void>;
  stopSharing(participant?: string): Promise<void>;
  grantShare(participant: string): Promise<void>;

  admit(visit: string): Promise<void>;
  deny(visit: string, reason: string): Promise<void>;
  end(visit: string, outcome: Outcome): Promise<void>;
  invite(name: string, reason: string): Promise<{ visit: string; link: string }>;

  /** Who opened this visit, as the clinic's records say. The connection and the call do not notice. Throws a `Refusal`. */
  access(): Promise<Access>;

  /** After `replaced`: make this tab the current one. */
  takeOver(): void;
  dismissProblem(): void;
  /** Leaves everything, stops devices. */
  dispose(): void;
}

/** One thing that somebody did with a visit; several of a kind in a row are one. */
export interface AccessLine {
  /** When, the last time. */
  at: number;
  /** Since when, if it was more than once. */
  since?: number;
  what: "booked" | "list" | "care" | "read" | "emergency";
  why: { is: "care" } | { is: "emergency"; category?: string };
  role: string;
  /** Where the clinic tells. */
  name?: string;
}

/** Who opened a visit, the newest first. */
export interface Access {
  clinic: { name: string; phone: string };
  bookedAt: number;
  endedAt: number | null;
  lines: AccessLine[];
  /** There is more than is listed. */
  more: boolean;
}

/** Why a verb was refused. */
export class Refusal extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export type { ChatMessage, DeviceHealth, Modality, Outcome, QueueView, VisitView };
