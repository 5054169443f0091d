import { FakeTrack } from "./fake-tracks";

export interface FakeTransceiver {
  kind: "audio" | "video";
  direction: string;
  encodings: { rid?: string; active?: boolean; maxBitrate?: number }[];
  codecs: string[];
  sender: { track: FakeTrack | null; replaceTrack(track: FakeTrack | null): Promise<void> };
  receiver: { track: FakeTrack; sources: { rtpTimestamp: number; audioLevel?: number }[] };
}

/** An RTCPeerConnection that keeps what it is given and connects when it is told to. */
export class FakePeerConnection {
  transceivers: FakeTransceiver[] = [];
  channel: { label: string; options: RTCDataChannelInit; onmessage: ((event: unknown) => void) | null } | null = null;
  /** What was added, in order: the order of the lines in the offer. */
  readonly lines: string[] = [];
  connectionState: RTCPeerConnectionState = "new";
  iceConnectionState: RTCIceConnectionState = "new";
  localDescription: { sdp: string } | null = null;
  answer: string | null = null;
  restarts = 0;
  closed = false;
  stats: Record<string, unknown>[] = [];
  asked = 0;
  /** Statistics take until this settles. */
  busy: Promise<void> | null = null;
  offerSdp = "v=0\r\n";
  onconnectionstatechange: (() => void) | null = null;
  oniceconnectionstatechange: (() => void) | null = null;

  constructor(readonly configuration: RTCConfiguration) {}

  addTransceiver(what: "audio" | "video" | FakeTrack, init: RTCRtpTransceiverInit): RTCRtpTransceiver {
    const kind = typeof what === "string" ? what : what.kind;
    const sender: FakeTransceiver["sender"] = {
      track: typeof what === "string" ? null : what,
      replaceTrack: (track) => {
        sender.track = track;
        return Promise.resolve();
      },
    };
    const parameters = { degradationPreference: "", encodings: init.sendEncodings ?? [] };
    const sources: FakeTransceiver["receiver"]["sources"] = [];
    const transceiver = {
      kind,
      direction: init.direction ?? "",
      encodings: init.sendEncodings ?? [],
      codecs: [] as string[],
      sender: Object.assign(sender, { getParameters: () => parameters, setParameters: () => Promise.resolve(), parameters }),
      receiver: { track: new FakeTrack(kind), sources, getSynchronizationSources: () => sources },
      setCodecPreferences: (codecs: RTCRtpCodec[]) => (transceiver.codecs = codecs.map(({ mimeType }) => mimeType)),
    };
    this.transceivers.push(transceiver);
    this.lines.push(`${kind} ${transceiver.direction}`);
    return transceiver as unknown as RTCRtpTransceiver;
  }

  createDataChannel(label: string, options: RTCDataChannelInit): RTCDataChannel {
    this.lines.push("application");
    this.channel = { label, options, onmessage: null };
    return this.channel as unknown as RTCDataChannel;
  }

  createOffer({ iceRestart }: RTCOfferOptions): Promise<{ type: string; sdp: string }> {
    if (iceRestart) this.restarts += 1;
    return Promise.resolve({ type: "offer", sdp: this.offerSdp });
  }

  setLocalDescription({ sdp }: { sdp: string }): Promise<void> {
    this.localDescription = { sdp };
    return Promise.resolve();
  }

  setRemoteDescription({ sdp }: { sdp: string }): Promise<void> {
    this.answer = sdp;
    return Promise.resolve();
  }

  async getStats(): Promise<Map<string, unknown>> {
    this.asked += 1;
    await this.busy;
    return new Map(this.stats.map((stat) => [String(stat.id), { ...stat }]));
  }

  close(): void {
    this.closed = true;
    this.connectionState = "closed";
  }

  become(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }

  pulse(): void {
    this.channel?.onmessage?.({ data: new Uint8Array([1]) });
  }

  line(index: number): FakeTransceiver {
    const line = this.transceivers[index];
    if (line === undefined) throw new Error(`no line ${index}`);
    return line;
  }
}
