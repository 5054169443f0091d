/**
 * Runs before the page: remembers every RTCPeerConnection with the times of its life, and when each
 * video element first showed a frame. Gives the tests eyes (decoded pixels) and ears (spectrum).
 */
export function probe() {
  const probe = { peers: [], firstFrames: [], clicks: {} };
  Object.defineProperty(window, "__probe", { value: probe });

  // When was what pressed? Taken in the page, so that the way from the test to it does not count.
  window.addEventListener(
    "click",
    (event) => {
      const testId = event.target.closest?.("[data-testid]")?.dataset.testid;
      if (testId) probe.clicks[testId] = Date.now();
    },
    { capture: true },
  );

  // What was asked of the devices, and what came of it.
  probe.asked = [];
  const devices = window.MediaDevices?.prototype;
  if (devices) {
    const native = devices.getUserMedia;
    devices.getUserMedia = function (wish) {
      const asked = { kinds: Object.keys(wish).join(" and "), at: Math.round(performance.now()), answer: null };
      probe.asked.push(asked);
      const stream = native.call(this, wish);
      stream.then(
        () => (asked.answer = `${Math.round(performance.now()) - asked.at} ms`),
        (error) => (asked.answer = error.name),
      );
      return stream;
    };
  }

  const Native = window.RTCPeerConnection;
  if (!Native) return;
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      const life = { pc: this, offeredAt: null, connectedAt: null };
      probe.peers.push(life);
      this.addEventListener("signalingstatechange", () => {
        if (this.signalingState === "have-local-offer") life.offeredAt ??= Date.now();
      });
      this.addEventListener("connectionstatechange", () => {
        if (this.connectionState === "connected") life.connectedAt ??= Date.now();
      });
    }
  };

  // When did this element first show a frame of this stream?
  const media = HTMLMediaElement.prototype;
  const own = Object.getOwnPropertyDescriptor(media, "srcObject");
  Object.defineProperty(media, "srcObject", {
    ...own,
    set(stream) {
      own.set.call(this, stream);
      if (!stream || !this.requestVideoFrameCallback || this.dataset.probe === "ear") return;
      const first = { testId: this.dataset.testid ?? null, attachedAt: Date.now(), at: null, uncoveredAt: null };
      probe.firstFrames.push(first);
      const uncovered = () => {
        if (this.dataset.picture === "false") requestAnimationFrame(uncovered);
        else first.uncoveredAt = Date.now();
      };
      this.requestVideoFrameCallback(() => {
        first.at = Date.now();
        uncovered();
      });
    },
  });

  /** Average colour of the upper three quarters (the bar walks below) or of the middle; null before a frame. */
  probe.colourOf = (video, middle = false) => {
    if (!video || video.readyState < 2 || !video.videoWidth) return null;
    const canvas = document.createElement("canvas");
    canvas.width = 32;
    canvas.height = 24;
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(video, 0, 0, 32, 24);
    const { data } = middle ? pen.getImageData(13, 10, 6, 4) : pen.getImageData(2, 2, 28, 14);
    const sum = [0, 0, 0];
    for (let i = 0; i < data.length; i += 4) for (let c = 0; c < 3; c++) sum[c] += data[i + c];
    return sum.map((total) => Math.round(total / (data.length / 4)));
  };

  /** Where the white bar of the bottom row stands, 0–319, or null: shows that frames follow one another. */
  probe.barOf = (video) => {
    if (!video || video.readyState < 2 || !video.videoWidth) return null;
    const canvas = document.createElement("canvas");
    canvas.width = 320;
    canvas.height = 180;
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(video, 0, 0, 320, 180);
    const { data } = pen.getImageData(0, 170, 320, 1);
    let best = 0;
    for (let x = 0; x < 320; x++) if (Math.min(...data.slice(x * 4, x * 4 + 3)) > Math.min(...data.slice(best * 4, best * 4 + 3))) best = x;
    return best;
  };

  const ears = new Map();
  let room = null;
  function ear(track) {
    if (!ears.has(track)) {
      room ??= new AudioContext({ sampleRate: 48_000 });
      const stream = new MediaStream([track]);
      // Chromium decodes a remote track for Web Audio only while an element plays it.
      const element = new Audio();
      element.dataset.probe = "ear";
      element.muted = true;
      element.srcObject = stream;
      element.play().catch(() => {});
      const analyser = room.createAnalyser();
      analyser.fftSize = 8192;
      analyser.smoothingTimeConstant = 0;
      room.createMediaStreamSource(stream).connect(analyser);
      ears.set(track, { analyser, element });
    }
    return ears.get(track).analyser;
  }

  /**
   * Listens to tracks for `ms`: the loudest level at each tone, and the frequency and level of the
   * loudest bin of all. Decibels of full scale.
   */
  probe.listen = async (tracks, tones, ms) => {
    const analysers = tracks.map(ear);
    await room?.resume();
    const levels = Object.fromEntries(tones.map((tone) => [tone, -200]));
    let peak = { hz: 0, db: -200 };
    const end = performance.now() + ms;
    while (performance.now() < end) {
      for (const analyser of analysers) {
        const bins = new Float32Array(analyser.frequencyBinCount);
        analyser.getFloatFrequencyData(bins);
        const width = room.sampleRate / analyser.fftSize;
        for (const tone of tones) {
          const at = Math.round(tone / width);
          for (let bin = at - 1; bin <= at + 1; bin++) if (bins[bin] > levels[tone]) levels[tone] = bins[bin];
        }
        bins.forEach((db, bin) => {
          if (db > peak.db) peak = { hz: Math.round(bin * width), db };
        });
      }
      await new Promise((wake) => setTimeout(wake, 60));
    }
    await room?.suspend();
    return { levels, peak };
  };

  /** Every audio track that any connection of this page receives. */
  probe.incomingAudio = () =>
    probe.peers.flatMap(({ pc }) =>
      pc.signalingState === "closed" ? [] : pc.getReceivers().map((r) => r.track).filter((t) => t.kind === "audio"),
    );

  /** Stats of all connections that are not closed, as plain objects, with the candidate pair in use. */
  probe.stats = async () => {
    const reports = [];
    for (const { pc } of probe.peers) {
      if (pc.signalingState === "closed") continue;
      const all = [...(await pc.getStats()).values()].map((stat) => ({ ...stat }));
      const transport = all.find((s) => s.type === "transport" && s.selectedCandidatePairId);
      const pair = transport
        ? all.find((s) => s.id === transport.selectedCandidatePairId)
        : all.find((s) => s.type === "candidate-pair" && s.selected);
      reports.push({
        state: pc.connectionState,
        inbound: all.filter((s) => s.type === "inbound-rtp"),
        outbound: all.filter((s) => s.type === "outbound-rtp"),
        pair: pair && {
          local: all.find((s) => s.id === pair.localCandidateId),
          remote: all.find((s) => s.id === pair.remoteCandidateId),
        },
        srtp: transport?.srtpCipher ?? null,
      });
    }
    return reports;
  };
}
