let made = 0;

export class FakeTrack {
  readonly id = `track-${++made}`;
  enabled = true;
  muted = false;
  readyState: "live" | "ended" = "live";
  contentHint = "";
  onended: (() => void) | null = null;

  constructor(
    readonly kind: "audio" | "video",
    readonly deviceId = "",
  ) {}

  stop(): void {
    this.readyState = "ended";
  }

  /** Ended by something else than the page: unplugged, or the browser's own button. */
  end(): void {
    this.readyState = "ended";
    this.onended?.();
  }

  getSettings(): MediaTrackSettings {
    return { deviceId: this.deviceId };
  }
}

export class FakeStream {
  constructor(readonly tracks: FakeTrack[]) {}
  getTracks(): FakeTrack[] {
    return this.tracks;
  }
  getAudioTracks(): FakeTrack[] {
    return this.tracks.filter(({ kind }) => kind === "audio");
  }
  getVideoTracks(): FakeTrack[] {
    return this.tracks.filter(({ kind }) => kind === "video");
  }
}
