/** A message from the server → what changes in the state. Pure. */
import type { MediaWish, ServerMessage } from "../protocol";
import { history, recorded } from "./chat";
import type { SessionState } from "./session";

/** The connection's own affairs, told by `link`: no words for people. */
const QUIET = new Set(["not-authorized", "replaced", "restarting"]);

export function apply(state: SessionState, message: ServerMessage, now: number, random: number): Partial<SessionState> {
  switch (message.type) {
    case "welcome":
      return { me: message.participant, clockOffset: message.serverTime - now };
    case "visit":
      return { visit: message.visit, ...greet(state, message) };
    case "queue":
      return { queue: message.queue, ...greet(state, message) };
    case "chat-history":
      return { chat: { ...state.chat, [message.visit]: history(state.chat[message.visit] ?? [], message.messages, state.me) } };
    case "chat":
      return { chat: { ...state.chat, [message.visit]: recorded(state.chat[message.visit] ?? [], message.message, state.me) } };
    case "error":
      return QUIET.has(message.code) ? {} : { problem: problem(message.code, random) };
    default:
      return {};
  }
}

/** After a reload nothing was exchanged: the first view says whose page this is. */
function greet(state: SessionState, message: Extract<ServerMessage, { type: "visit" | "queue" }>): Partial<SessionState> {
  if (state.greeting !== null) return {};
  if (message.type === "queue") {
    const { clinic, practitioner } = message.queue;
    return { greeting: { role: "clinician", clinic, practitioner, name: practitioner, scheduledAt: null } };
  }
  const me = message.visit?.participants.find(({ id }) => id === state.me);
  if (message.visit === null || me === undefined) return {};
  const { clinic, practitioner, scheduledAt } = message.visit;
  return { greeting: { role: me.role, clinic, practitioner, name: me.name, scheduledAt } };
}

/** What the server wants of our media connection. A clinician between visits is told by the queue. */
export function wish({ visit, queue }: SessionState): MediaWish {
  if (visit !== null && (visit.media !== "idle" || queue === null)) return visit.media;
  return queue?.media ?? "idle";
}

/** A short reference for the help desk: `WRONG-STATE-7F2K`. No letters that look like digits. */
export function problem(code: string, random: number): NonNullable<SessionState["problem"]> {
  const letters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
  let rest = Math.floor(random * letters.length ** 4);
  let suffix = "";
  for (let i = 0; i < 4; i++) {
    suffix += letters.charAt(rest % letters.length);
    rest = Math.floor(rest / letters.length);
  }
  return { code, reference: `${code.toUpperCase()}-${suffix}` };
}
