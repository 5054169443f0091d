/** The state of the devices, as the clinician sees it beside the name. Pure. */
import type { DeviceHealth, Health, Modality } from "../protocol";
import { faultHealth } from "./faults";
import type { LocalMedia, MediaPath } from "./session";

/** A round trip longer than this makes people talk over each other. */
const SLOW_RTT_MS = 400;
/** More loss than this is heard. */
const HIGH_LOSS = 0.05;

export interface Findings {
  modality: Modality;
  local: LocalMedia;
  microphone: { heard: boolean; mute: boolean };
  /** What the person answered; `null` before. */
  speaker: boolean | null;
  media: Pick<MediaPath, "status">;
  quality: { rttMs: number | null; loss: number };
}

export function health({ modality, local, microphone, speaker, media, quality }: Findings): DeviceHealth {
  return {
    microphone: microphoneHealth(local, microphone),
    camera: cameraHealth(modality, local),
    speaker: speaker === null ? "unknown" : speaker ? "good" : "weak",
    network: networkHealth(media, quality),
  };
}

function microphoneHealth({ status, microphone }: LocalMedia, { heard, mute }: Findings["microphone"]): Health {
  if (microphone.fault !== null) return faultHealth(microphone.fault);
  if (status !== "open") return "unknown";
  if (mute) return "weak";
  return heard ? "good" : "unknown";
}

function cameraHealth(modality: Modality, { status, camera }: LocalMedia): Health {
  if (camera.fault !== null) return faultHealth(camera.fault);
  if (modality === "sound") return "off";
  if (status !== "open") return "unknown";
  return camera.on ? "good" : "off";
}

function networkHealth({ status }: Findings["media"], { rttMs, loss }: Findings["quality"]): Health {
  if (status === "stalled" || status === "failed") return "weak";
  if (status !== "connected") return "unknown";
  return (rttMs ?? 0) > SLOW_RTT_MS || loss > HIGH_LOSS ? "weak" : "good";
}
