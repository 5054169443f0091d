/**
 * The fixed pool: every line of the call in one order, offered once. People join, leave, mute and share
 * without negotiating anew. The order is a contract with the media server:
 *
 * ```text
 * 0 microphone ▲   1 camera ▲   2 screen ▲   then per slot: sound ▼, picture ▼   then screen ▼   data
 * ```
 */
import { CAMERA_BITRATE, SCREEN_BITRATE, SLOTS } from "./limits";

export interface Pool {
  microphone: RTCRtpTransceiver;
  camera: RTCRtpTransceiver;
  screen: RTCRtpTransceiver;
  slots: { audio: RTCRtpTransceiver; video: RTCRtpTransceiver }[];
  screenIn: RTCRtpTransceiver;
  pulse: RTCDataChannel;
}

export interface Tracks {
  microphone: MediaStreamTrack | null;
  camera: MediaStreamTrack | null;
  screen: MediaStreamTrack | null;
}

/** Three layers by name, one sent: with two people the encoder adapts, not a choice of layers. */
const CAMERA: RTCRtpEncodingParameters[] = [
  { rid: "q", active: false, scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: "h", active: false, scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: "f", active: true, scaleResolutionDownBy: 1, maxBitrate: CAMERA_BITRATE, maxFramerate: 30 },
];
const SCREEN: RTCRtpEncodingParameters[] = [{ maxBitrate: SCREEN_BITRATE, maxFramerate: 15 }];

type Capabilities = (kind: "audio" | "video") => RTCRtpCodec[];

export function addPool(pc: RTCPeerConnection, tracks: Tracks, capabilities: Capabilities): Pool {
  const prefer = (transceiver: RTCRtpTransceiver, kind: "audio" | "video"): RTCRtpTransceiver => {
    const codecs = capabilities(kind).filter(wanted);
    try {
      if (codecs.length > 0) transceiver.setCodecPreferences?.(codecs);
    } catch {
      // Without preferences the offer is twice as long and still works.
    }
    return transceiver;
  };
  const receive = (kind: "audio" | "video") => prefer(pc.addTransceiver(kind, { direction: "recvonly" }), kind);

  const microphone = prefer(pc.addTransceiver(tracks.microphone ?? "audio", { direction: "sendonly" }), "audio");
  const camera = prefer(send(pc, tracks.camera, CAMERA), "video");
  const screen = prefer(send(pc, tracks.screen, SCREEN), "video");
  const slots = Array.from({ length: SLOTS }, () => ({ audio: receive("audio"), video: receive("video") }));
  const screenIn = receive("video");
  const pulse = pc.createDataChannel("pulse", { negotiated: true, id: 0, ordered: false, maxRetransmits: 0 });
  keepResolution(screen.sender);
  return { microphone, camera, screen, slots, screenIn, pulse };
}

/** Opus without RED, VP8 and its retransmission: what every browser has and the server forwards. */
function wanted({ mimeType }: RTCRtpCodec): boolean {
  return ["audio/opus", "video/vp8", "video/rtx"].includes(mimeType.toLowerCase());
}

function send(pc: RTCPeerConnection, track: MediaStreamTrack | null, encodings: RTCRtpEncodingParameters[]): RTCRtpTransceiver {
  try {
    return pc.addTransceiver(track ?? "video", { direction: "sendonly", sendEncodings: encodings.map((encoding) => ({ ...encoding })) });
  } catch {
    // A browser without layers sends one; the server takes it as it comes.
    return pc.addTransceiver(track ?? "video", { direction: "sendonly" });
  }
}

/**
 * After the answer: a far side that takes no layers leaves the first one, and that is not the one we send.
 * Then it becomes the picture.
 */
export async function keepSending(sender: RTCRtpSender): Promise<void> {
  const parameters = sender.getParameters();
  const [first, ...others] = parameters.encodings;
  const layer = CAMERA.at(-1);
  if (first === undefined || layer === undefined || [first, ...others].some(({ active }) => active !== false)) return;
  const { active, scaleResolutionDownBy, maxBitrate } = layer;
  Object.assign(first, { active, scaleResolutionDownBy, maxBitrate });
  await sender.setParameters(parameters);
}

/** A shared screen is to be read: frames are given up before sharpness. Not every browser lets one say so. */
function keepResolution(sender: RTCRtpSender): void {
  try {
    const parameters = sender.getParameters() as RTCRtpSendParameters & { degradationPreference?: string };
    parameters.degradationPreference = "maintain-resolution";
    void sender.setParameters(parameters).catch(() => undefined);
  } catch {
    // The track's content hint says the same.
  }
}
