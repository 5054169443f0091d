/**
 * Runs before the page, in Chromium: encoded video frames leave `delay` ms late, with the timestamps
 * of their capture. Audio leaves at once. Whoever receives both must then hold the audio back, or
 * the voice runs ahead of the lips.
 */
export function lateVideo(delay) {
  const Native = window.RTCPeerConnection;
  const hold = async (sender) => {
    const { readable, writable } = sender.createEncodedStreams();
    const out = writable.getWriter();
    const frames = readable.getReader();
    for (;;) {
      const { value, done } = await frames.read();
      if (done) return;
      setTimeout(() => out.write(value).catch(() => {}), delay);
    }
  };
  const pass = ({ readable, writable }) => readable.pipeTo(writable).catch(() => {});

  window.RTCPeerConnection = class extends Native {
    constructor(configuration, ...rest) {
      super({ ...configuration, encodedInsertableStreams: true }, ...rest);
      const known = new WeakSet();
      // Before any packet flows, every sender and receiver needs somebody who reads its streams.
      const attach = () => {
        for (const { sender, receiver } of this.getTransceivers()) {
          if (known.has(sender)) continue;
          known.add(sender);
          if (receiver.track.kind === "video") hold(sender);
          else pass(sender.createEncodedStreams());
          pass(receiver.createEncodedStreams());
        }
      };
      this.addEventListener("signalingstatechange", attach);
      this.addEventListener("track", attach);
    }
  };
}
