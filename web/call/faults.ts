/** Why a device cannot be used, from whatever the browser throws; and what that means for its health. */
import type { Health } from "../protocol";
import type { DeviceFault } from "./session";

interface Surroundings {
  userAgent: string;
  secureContext: boolean;
  mediaDevices: unknown;
}

/** Pages inside other apps: they show a link, and give it no camera. */
const IN_APP = /FBAN|FBAV|FB_IAB|Instagram|Line\/|MicroMessenger|Snapchat|Twitter|TikTok|Pinterest|LinkedInApp|GSA\/|; wv\)/;

/** A fault that no prompt can change, known before asking. */
export function standing({ userAgent, secureContext, mediaDevices }: Surroundings): DeviceFault | null {
  if (mediaDevices !== undefined) return null;
  if (!secureContext) return "insecure";
  return IN_APP.test(userAgent) ? "in-app-browser" : "unknown";
}

/** The fault behind what `getUserMedia` threw. */
export function fault(error: unknown, surroundings: Pick<Surroundings, "userAgent">): DeviceFault {
  switch ((error as { name?: string } | null)?.name) {
    case "NotAllowedError":
    case "SecurityError":
      // Some in-app browsers have the function and refuse it without a question.
      return IN_APP.test(surroundings.userAgent) ? "in-app-browser" : "blocked";
    case "NotReadableError":
    case "AbortError":
    case "TrackStartError":
      return "busy";
    case "NotFoundError":
    case "OverconstrainedError":
    case "DevicesNotFoundError":
      return "missing";
    default:
      return "unknown";
  }
}

export function faultHealth(fault: DeviceFault): Health {
  switch (fault) {
    case "busy":
    case "missing":
      return fault;
    case "blocked":
    case "in-app-browser":
    case "insecure":
      return "blocked";
    case "unknown":
      return "unknown";
  }
}
