/**
 * Bytes from the server → a message, or nothing. Defensive: a newer server may say things we do not know
 * (N and N−1 talk to each other), and a proxy may put anything in between. What fails here is ignored;
 * nothing past this point has to wonder whether a field is there.
 */
import type {
  ChatMessage,
  ClinicView,
  DeviceHealth,
  ParticipantView,
  PhaseView,
  QueueEntry,
  QueueView,
  ServerMessage,
  VisitView,
} from "./generated";
import { MAX_SERVER_MESSAGE_CHARS } from "./limits";

type Check = (value: unknown) => boolean;

const text: Check = (v) => typeof v === "string";
const number: Check = (v) => typeof v === "number" && Number.isFinite(v);
const flag: Check = (v) => typeof v === "boolean";
const isObject = (v: unknown): v is Record<string, unknown> => typeof v === "object" && v !== null && !Array.isArray(v);
const nullable = (check: Check): Check => (v) => v === null || check(v);
const optional = (check: Check): Check => (v) => v === undefined || v === null || check(v);
const list = (check: Check): Check => (v) => Array.isArray(v) && v.every(check);
const oneOf = (...words: string[]): Check => (v) => typeof v === "string" && words.includes(v);

/** Every field of `T` has a check, or this file does not compile; further fields are welcome. */
const shape =
  <T>(fields: { [K in keyof Required<T>]: Check }): Check =>
  (v) =>
    isObject(v) && Object.entries<Check>(fields).every(([name, check]) => check(v[name]));

/** One check per tag of a tagged union; an unknown tag fails. */
const tagged =
  (tag: string, cases: Record<string, Check>): Check =>
  (v) => {
    if (!isObject(v)) return false;
    const name = v[tag];
    return typeof name === "string" && Object.hasOwn(cases, name) && cases[name]?.(v) === true;
  };

type Case<U, Tag extends keyof U, Name> = Omit<Extract<U, Record<Tag, Name>>, Tag>;

const clinic = shape<ClinicView>({ name: text, phone: text });
const role = text;
const wish = oneOf("idle", "warm", "live");

const phase = tagged("is", {
  booked: () => true,
  waiting: shape<Case<PhaseView, "is", "waiting">>({ since: number, ahead: number, minutes: nullable(list(number)) }),
  "in-call": shape<Case<PhaseView, "is", "in-call">>({ startedAt: number }),
  ended: shape<Case<PhaseView, "is", "ended">>({ at: number, outcome: text, reason: nullable(text) }),
} satisfies Record<PhaseView["is"], Check>);

const participant = shape<ParticipantView>({
  id: text,
  role,
  name: text,
  connected: flag,
  awaySince: nullable(number),
  microphone: flag,
  camera: flag,
  canShareScreen: flag,
});

const visit = shape<VisitView>({
  id: text,
  clinic,
  practitioner: text,
  reason: text,
  scheduledAt: nullable(number),
  phase,
  media: wish,
  participants: list(participant),
  sharer: nullable(text),
  shareRequests: list(text),
});

const devices = shape<DeviceHealth>({ microphone: text, camera: text, speaker: text, network: text });

const entry = shape<QueueEntry>({
  visit: text,
  participant: text,
  name: text,
  reason: text,
  scheduledAt: nullable(number),
  phase,
  modality: nullable(text),
  devices,
  connected: flag,
  awaySince: nullable(number),
  escalatedAt: optional(number),
  unrecordedFrom: optional(number),
});

const queue = shape<QueueView>({
  clinic,
  practitioner: text,
  entries: list(entry),
  more: number,
  media: wish,
  unrecorded: optional(flag),
});
const said = shape<ChatMessage>({ seq: number, from: text, role, at: number, text });

type Of<Name extends ServerMessage["type"]> = Case<ServerMessage, "type", Name>;

const message = tagged("type", {
  welcome: shape<Of<"welcome">>({ participant: text, role, resumeToken: text, serverTime: number, build: text }),
  visit: shape<Of<"visit">>({ visit: nullable(visit) }),
  queue: shape<Of<"queue">>({ queue }),
  "chat-history": shape<Of<"chat-history">>({ visit: text, messages: list(said) }),
  chat: shape<Of<"chat">>({ visit: text, message: said }),
  answer: shape<Of<"answer">>({ re: text, sdp: text }),
  "media-closed": () => true,
  slots: shape<Of<"slots">>({ slots: list(nullable(text)), screen: nullable(text) }),
  ok: shape<Of<"ok">>({ re: text }),
  invited: shape<Of<"invited">>({ re: text, visit: text, link: text }),
  error: shape<Of<"error">>({ re: nullable(text), code: text, message: text }),
  pong: shape<Of<"pong">>({ nonce: number }),
} satisfies Record<ServerMessage["type"], Check>);

/** The message in `data`, or `null` when it is none that this version knows. */
export function parse(data: unknown): ServerMessage | null {
  if (typeof data !== "string" || data.length > MAX_SERVER_MESSAGE_CHARS) return null;
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return null;
  }
  return message(value) ? (value as ServerMessage) : null;
}
