/** Tells a clinician that somebody came: a sound, and a notification when the page is not being looked at. */
import type { QueueEntry, QueueView } from "../protocol";
import { Audio } from "./audio";
import type { Env } from "./env";

/** Who waits now and did not before. Nobody on the first view: they are no news, they were there. */
export function arrivals(before: QueueView | null, after: QueueView | null): QueueEntry[] {
  if (before === null || after === null) return [];
  const waiting = (view: QueueView) => view.entries.filter(({ phase }) => phase.is === "waiting");
  const known = new Set(waiting(before).map(({ visit }) => visit));
  return waiting(after).filter(({ visit }) => !known.has(visit));
}

export interface Arrival {
  /** Whether the browser shows notifications: ask only after explaining, from a click. */
  readonly permission: NotificationPermission | "unsupported";
  /** From a click: lets sound play later, and asks for notifications. */
  enable(): Promise<NotificationPermission | "unsupported">;
  /** From a click: what it will sound like. False when the browser lets nothing sound yet. */
  preview(): Promise<boolean>;
  /** Somebody came. False when no sound could be played. `text` holds no name: lock screens show it. */
  announce(text: { title: string; body: string }): Promise<boolean>;
  dispose(): void;
}

type Surroundings = Pick<Env, "AudioContext" | "visible"> & { Notification: typeof Notification | undefined };

/** Three notes: no telephone and no other app sounds like it. */
const NOTES = [659.25, 523.25, 783.99];

export function createArrival(overrides: Partial<Surroundings> = {}): Arrival {
  const env: Surroundings = {
    AudioContext: globalThis.AudioContext,
    visible: () => document.visibilityState === "visible",
    Notification: globalThis.Notification,
    ...overrides,
  };
  const audio = new Audio(env);
  let shown: Notification | null = null;
  return {
    get permission() {
      return env.Notification?.permission ?? "unsupported";
    },
    async enable() {
      audio.wake();
      return (await env.Notification?.requestPermission().catch(() => "denied" as const)) ?? "unsupported";
    },
    preview: () => audio.chime(NOTES),
    async announce({ title, body }) {
      if (!env.visible() && env.Notification?.permission === "granted") shown = notify(env.Notification, title, body);
      return audio.chime(NOTES);
    },
    dispose() {
      shown?.close();
      audio.close();
    },
  };
}

/** One at a time: five arrivals are one notification, the newest. */
function notify(Make: typeof Notification, title: string, body: string): Notification | null {
  try {
    const notification = new Make(title, { body, tag: "arrival" });
    notification.onclick = () => {
      window.focus();
      notification.close();
    };
    return notification;
  } catch {
    // Android has the name and allows it from service workers only.
    return null;
  }
}
