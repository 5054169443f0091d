/** The two things the engine looks at in an SDP. */
import { Limits } from "../protocol";
import { START_KBPS } from "./limits";

/** Whether the server would take an offer of this length at all. */
export function fits(offer: string): boolean {
  return new TextEncoder().encode(offer).length <= Limits.offerBytes;
}

/**
 * Tells Chromium's encoder to start the camera near its target rather than at 300 kbit/s, which shows for
 * seconds as a blur. Said on the answer, where the browser reads it as the far side's wish; others ignore it.
 */
export function startSharp(answer: string): string {
  const lines = answer.split("\r\n");
  const camera = lines.findIndex((line) => line.startsWith("m=video"));
  const end = lines.findIndex((line, index) => index > camera && line.startsWith("m="));
  const section = camera < 0 ? [] : lines.slice(camera, end < 0 ? undefined : end);
  const vp8 = section.find((line) => /^a=rtpmap:\d+ VP8\/90000$/i.test(line));
  const payload = vp8?.match(/\d+/)?.[0];
  if (vp8 === undefined || payload === undefined) return answer;
  const hint = `x-google-start-bitrate=${START_KBPS}`;
  const format = section.findIndex((line) => line.startsWith(`a=fmtp:${payload} `));
  if (format >= 0) lines[camera + format] += `;${hint}`;
  else lines.splice(camera + section.indexOf(vp8) + 1, 0, `a=fmtp:${payload} ${hint}`);
  return lines.join("\r\n");
}
