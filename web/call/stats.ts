/** What the engine reads out of `getStats()`, alike for every browser. */

export interface Reading {
  transport: "udp" | "tcp" | "relay" | null;
  /** Everything received on the selected path, bytes. Grows as long as the server lives. */
  bytes: number;
  /** Round trip, milliseconds. */
  rttMs: number | null;
  /** Frames decoded so far, by track id. */
  frames: Map<string, number>;
  /** Packets of sound sent so far; `null` when the browser does not count them. */
  spoken: number | null;
  /** Received and lost packets so far, over all streams. */
  packets: number;
  lost: number;
}

/** Fields differ by browser, so every one is optional. */
interface Stat {
  id: string;
  type: string;
  kind?: string;
  packetsSent?: number;
  selectedCandidatePairId?: string;
  localCandidateId?: string;
  remoteCandidateId?: string;
  selected?: boolean;
  nominated?: boolean;
  state?: string;
  bytesReceived?: number;
  currentRoundTripTime?: number;
  candidateType?: string;
  protocol?: string;
  trackIdentifier?: string;
  framesDecoded?: number;
  packetsReceived?: number;
  packetsLost?: number;
}

export function read(report: Pick<RTCStatsReport, "forEach">): Reading {
  const stats = new Map<string, Stat>();
  report.forEach((stat: Stat) => stats.set(stat.id, stat));
  const all = Array.from(stats.values());

  const transport = all.find(({ type }) => type === "transport");
  const pair =
    stats.get(transport?.selectedCandidatePairId ?? "") ??
    all.find((stat) => stat.type === "candidate-pair" && stat.selected) ??
    all.find((stat) => stat.type === "candidate-pair" && stat.nominated && stat.state === "succeeded");
  const local = stats.get(pair?.localCandidateId ?? "");
  const remote = stats.get(pair?.remoteCandidateId ?? "");

  const reading: Reading = {
    transport: null,
    bytes: transport?.bytesReceived ?? pair?.bytesReceived ?? 0,
    rttMs: pair?.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
    frames: new Map(),
    spoken: null,
    packets: 0,
    lost: 0,
  };
  if (local?.candidateType === "relay") reading.transport = "relay";
  else if (local !== undefined) reading.transport = [local.protocol, remote?.protocol].includes("tcp") ? "tcp" : "udp";

  for (const stat of all) {
    if (stat.type === "outbound-rtp" && stat.kind === "audio" && stat.packetsSent !== undefined) {
      reading.spoken = (reading.spoken ?? 0) + stat.packetsSent;
    }
    if (stat.type !== "inbound-rtp") continue;
    reading.packets += stat.packetsReceived ?? 0;
    reading.lost += Math.max(stat.packetsLost ?? 0, 0);
    if (stat.trackIdentifier !== undefined && stat.framesDecoded !== undefined) {
      reading.frames.set(stat.trackIdentifier, stat.framesDecoded);
    }
  }
  return reading;
}
