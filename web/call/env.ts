/** Everything the engine takes from its surroundings, so that tests can hand it something else. */
import { browserTicker, type Ticker } from "./ticker";

export interface Env {
  fetch: typeof fetch;
  WebSocket: new (url: string, protocols: string) => WebSocket;
  RTCPeerConnection: new (configuration: RTCConfiguration) => RTCPeerConnection;
  mediaDevices: MediaDevices | undefined;
  permissions: Pick<Permissions, "query"> | undefined;
  wakeLock: Pick<WakeLock, "request"> | undefined;
  AudioContext: (new () => AudioContext) | undefined;
  MediaStream: new (tracks: MediaStreamTrack[]) => MediaStream;
  createAudio: () => HTMLAudioElement;
  capabilities: (kind: "audio" | "video") => RTCRtpCodec[];
  /** Per tab: a reload keeps it, a new tab starts without. `null` where storage is forbidden. */
  storage: Pick<Storage, "getItem" | "setItem" | "removeItem"> | null;
  location: { origin: string; pathname: string; search: string; hash: string };
  replaceUrl: (url: string) => void;
  userAgent: string;
  secureContext: boolean;
  visible: () => boolean;
  /** Window and document events: `online`, `visibilitychange`, `networkchange`. Returns the way to stop. */
  on: (event: "online" | "visibilitychange" | "networkchange", listener: () => void) => () => void;
  ticker: Ticker;
  /** Milliseconds since 1970. */
  now: () => number;
  /** 0 ≤ x < 1. */
  random: () => number;
  newId: () => string;
}

/** A page of its own. */
export function browserEnv(): Env {
  const connection = (navigator as { connection?: EventTarget }).connection;
  return {
    fetch: (...args) => fetch(...args),
    WebSocket,
    // Missing in some in-app browsers: the page still has to say so.
    RTCPeerConnection: globalThis.RTCPeerConnection,
    mediaDevices: navigator.mediaDevices as MediaDevices | undefined,
    permissions: navigator.permissions as Permissions | undefined,
    wakeLock: navigator.wakeLock as WakeLock | undefined,
    AudioContext: globalThis.AudioContext as typeof AudioContext | undefined,
    MediaStream,
    createAudio,
    capabilities: (kind) => globalThis.RTCRtpReceiver?.getCapabilities?.(kind)?.codecs ?? [],
    storage: tabStorage(),
    location,
    replaceUrl: (url) => history.replaceState(history.state, "", url),
    userAgent: navigator.userAgent,
    secureContext: isSecureContext,
    visible: () => document.visibilityState === "visible",
    on: (event, listener) => {
      const target = event === "networkchange" ? connection : event === "online" ? window : document;
      const name = event === "networkchange" ? "change" : event;
      target?.addEventListener(name, listener);
      return () => target?.removeEventListener(name, listener);
    },
    ticker: browserTicker(),
    now: () => Date.now(),
    random: () => Math.random(),
    newId,
  };
}

/** A UUID, version 4. `randomUUID` is missing on plain http, where the page still has to say what is wrong. */
function newId(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** iOS plays only what is in the document, and never full screen by itself with `playsinline`. */
function createAudio(): HTMLAudioElement {
  const element = document.createElement("audio");
  element.autoplay = true;
  element.setAttribute("playsinline", "");
  element.hidden = true;
  document.body.append(element);
  return element;
}

/** Reading `sessionStorage` throws where cookies are blocked. */
function tabStorage(): Env["storage"] {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}
