import { FakeTrack } from "./fake-tracks";

export interface FakeTransceiver {
  kind: "audio" | "video";
  direction: string;
  encodings: { rid?: string; active?: boolean; maxBitrate?: number }[];
  codecs: string[];
  sender: { track: FakeTrack | null; replaceTrack(track: FakeTrack | null): Promise<void> };
  receiver: { track: FakeTrack; sources: { rtpTimestamp: number; audioLevel?: number }[] };
}

export interface FakeChannel {
  label: string;
  options: RTCDataChannelInit;
  binaryType: BinaryType;
  sent: number[][];
  onmessage: ((event: unknown) => void) | null;
  send(bytes: Uint8Array): void;
}

/** An RTCPeerConnection that keeps what it is given and connects when it is told to. */
export class FakePeerConnection {
  transceivers: FakeTransceiver[] = [];
  channel: FakeChannel | null = null;
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
    const sent: number[][] = [];
    const send = (bytes: Uint8Array): void => {
      if (this.closed) throw new DOMException("closed", "InvalidStateError");
      sent.push(Array.from(bytes));
    };
    // Firefox begins with blobs.
    this.channel = { label, options, binaryType: "blob", sent, onmessage: null, send };
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

  pulse(kind = 1): void {
    const data = new Uint8Array([kind]).buffer;
    this.channel?.onmessage?.({ data: this.channel.binaryType === "arraybuffer" ? data : new Blob([data]) });
  }

  line(index: number): FakeTransceiver {
    const line = this.transceivers[index];
    if (line === undefined) throw new Error(`no line ${index}`);
    return line;
  }
}
