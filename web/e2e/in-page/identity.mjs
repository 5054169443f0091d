/**
 * Runs before the page: replaces the camera and microphone of this page by one colour and one tone.
 * For browsers whose fake devices cannot be told what to show (Firefox), and for several people in
 * one browser. The page's own constraints still decide whether a camera is wanted.
 */
export function identity(person) {
  // The first, empty document of a window is no secure context and has no devices.
  if (!("MediaDevices" in window)) return;
  const [r, g, b] = person.colour;

  function camera() {
    const canvas = document.createElement("canvas");
    canvas.width = 320;
    canvas.height = 180;
    const pen = canvas.getContext("2d");
    let frame = 0;
    const draw = () => {
      pen.fillStyle = `rgb(${r} ${g} ${b})`;
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.fillStyle = "white";
      pen.fillRect((frame++ * 21) % canvas.width, canvas.height - 20, 20, 20);
    };
    draw();
    setInterval(draw, 66);
    return canvas.captureStream(15).getVideoTracks()[0];
  }

  function microphone() {
    const audio = new AudioContext();
    const voice = audio.createOscillator();
    voice.frequency.value = person.tone;
    const swell = audio.createGain();
    swell.gain.value = 0.25;
    const slow = audio.createOscillator();
    slow.frequency.value = 4;
    const depth = audio.createGain();
    depth.gain.value = 0.25;
    slow.connect(depth).connect(swell.gain);
    const out = audio.createMediaStreamDestination();
    voice.connect(swell).connect(out);
    voice.start();
    slow.start();
    audio.resume();
    return out.stream.getAudioTracks()[0];
  }

  const devices = MediaDevices.prototype;
  const original = devices.getUserMedia;
  devices.getUserMedia = async function getUserMedia(constraints) {
    // The real call first: the permission is asked for and may be refused, as in life.
    const real = await original.call(this, constraints);
    real.getTracks().forEach((track) => track.stop());
    const tracks = [];
    if (constraints.audio) tracks.push(microphone());
    if (constraints.video) tracks.push(camera());
    return new MediaStream(tracks);
  };
}
