/** Asks the browser for microphone and camera: one prompt where possible, and a fault for each that fails. */
import type { Env } from "./env";
import { fault, standing } from "./faults";
import type { DeviceFault } from "./session";

/** A device to open: a certain one, or whichever the browser takes. */
export type Want = { id: string | null };
export type Got = { track: MediaStreamTrack } | { fault: DeviceFault };

type Surroundings = Pick<Env, "mediaDevices" | "permissions" | "userAgent" | "secureContext">;

export function audioConstraints({ id }: Want): MediaTrackConstraints {
  return { ...device(id), echoCancellation: true, noiseSuppression: true, autoGainControl: true };
}

export function videoConstraints({ id }: Want): MediaTrackConstraints {
  const which = id === null ? { facingMode: "user" } : device(id);
  return { ...which, width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };
}

/** One of the two. */
export async function captureOne(env: Surroundings, kind: "audio" | "video", want: Want): Promise<Got> {
  const known = standing(env);
  if (known !== null || env.mediaDevices === undefined) return { fault: known ?? "unknown" };
  try {
    const constraints = kind === "audio" ? { audio: audioConstraints(want) } : { video: videoConstraints(want) };
    const [track] = (await env.mediaDevices.getUserMedia(constraints)).getTracks();
    return track === undefined ? { fault: "missing" } : { track };
  } catch (error) {
    // That device is gone: any other will do.
    if (want.id !== null && (error as Error).name === "OverconstrainedError") return captureOne(env, kind, { id: null });
    return { fault: fault(error, env) };
  }
}

/** Both in one prompt; when that fails, each alone, so that a missing camera never costs the voice. */
export async function captureBoth(env: Surroundings, audio: Want, video: Want): Promise<{ audio: Got; video: Got }> {
  const known = standing(env);
  if (known !== null || env.mediaDevices === undefined) {
    return { audio: { fault: known ?? "unknown" }, video: { fault: known ?? "unknown" } };
  }
  try {
    const constraints = { audio: audioConstraints(audio), video: videoConstraints(video) };
    const stream = await env.mediaDevices.getUserMedia(constraints);
    const [sound] = stream.getAudioTracks();
    const [picture] = stream.getVideoTracks();
    return {
      audio: sound === undefined ? { fault: "missing" } : { track: sound },
      video: picture === undefined ? { fault: "missing" } : { track: picture },
    };
  } catch (error) {
    const both = fault(error, env);
    if (both !== "blocked") {
      const sound = await captureOne(env, "audio", audio);
      return { audio: sound, video: await captureOne(env, "video", video) };
    }
    // Somebody said no. The voice is asked for once more, by itself; the camera only where it was allowed before,
    // so that nobody is asked a third time.
    const sound = (await permission(env, "microphone")) === "denied" ? { fault: both } : await captureOne(env, "audio", audio);
    const allowed = (await permission(env, "camera")) === "granted";
    return { audio: sound, video: allowed ? await captureOne(env, "video", video) : { fault: both } };
  }
}

async function permission(env: Surroundings, name: "microphone" | "camera"): Promise<PermissionState | null> {
  try {
    return (await env.permissions?.query({ name: name as PermissionName }))?.state ?? null;
  } catch {
    return null;
  }
}

function device(id: string | null): MediaTrackConstraints {
  return id === null ? {} : { deviceId: { exact: id } };
}
