/**
 * This device's microphone and camera: opening, choosing, muting, and what happens when one goes away.
 *
 * A muted microphone stays open and is taken off its line: unmuting is instant, and nothing is sent. A camera that
 * is off is stopped, so that its light goes off, and opened anew. Everything that asks the browser runs one at a time.
 */
import type { Modality } from "../protocol";
import { captureBoth, captureOne, type Got } from "./capture";
import type { Env } from "./env";
import type { Meter } from "./meter";
import type { DeviceChoice, DeviceFault, LocalMedia } from "./session";

type Kind = "microphone" | "camera";

interface Device {
  track: MediaStreamTrack | null;
  /** What the person wants; a device with a fault can be wanted and still be silent. */
  wanted: boolean;
  fault: DeviceFault | null;
  id: string | null;
  choices: DeviceChoice[];
}

export interface DeviceEvents {
  changed(): void;
  track(kind: Kind, track: MediaStreamTrack | null): void;
}

const device = (): Device => ({ track: null, wanted: true, fault: null, id: null, choices: [] });

export class Devices {
  readonly #env: Env;
  readonly #meter: Meter;
  readonly #events: DeviceEvents;
  readonly #devices: Record<Kind, Device> = { microphone: device(), camera: device() };
  #status: LocalMedia["status"] = "idle";
  #modality: Modality = "video";
  #stream: MediaStream | null = null;
  #level = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;
  readonly #onChange = (): void => void this.#plugged();

  constructor(env: Env, meter: Meter, events: DeviceEvents) {
    this.#env = env;
    this.#meter = meter;
    this.#events = events;
    env.mediaDevices?.addEventListener?.("devicechange", this.#onChange);
  }

  get modality(): Modality {
    return this.#modality;
  }

  /** A level is to be read. */
  get busy(): boolean {
    return this.#devices.microphone.track !== null;
  }

  /** The system holds the microphone back: a telephone call, or a switch on the headset. */
  get paused(): boolean {
    return this.#devices.microphone.track?.muted === true;
  }

  get view(): Omit<LocalMedia, "screen"> {
    const { microphone, camera } = this.#devices;
    const show = ({ track, wanted, fault, choices }: Device) => ({
      on: wanted && track !== null,
      fault,
      choices,
      chosen: track?.getSettings().deviceId ?? null,
    });
    return {
      status: this.#status,
      microphone: { ...show(microphone), level: this.#level },
      camera: show(camera),
      stream: this.#stream,
    };
  }

  open(modality: Modality): Promise<void> {
    return this.#inTurn(async () => {
      const { microphone, camera } = this.#devices;
      this.#modality = modality;
      camera.wanted = modality === "video";
      if (!camera.wanted) {
        camera.fault = null;
        this.#put("camera", null);
      }
      const sound = microphone.track === null;
      const picture = camera.wanted && camera.track === null;
      if (sound || picture) this.#set("asking");
      if (sound && picture) {
        const got = await captureBoth(this.#env, microphone, camera);
        this.#take("microphone", got.audio);
        this.#take("camera", got.video);
      } else if (sound) await this.#acquire("microphone");
      else if (picture) await this.#acquire("camera");
      await this.#list();
      this.#set("open");
    });
  }

  choose(kind: Kind, id: string): Promise<void> {
    return this.#inTurn(async () => {
      const chosen = this.#devices[kind];
      chosen.id = id;
      if (!chosen.wanted && kind === "camera") return;
      // A telephone has one camera open at a time: the old one has to go first.
      if (kind === "camera") this.#put(kind, null);
      await this.#acquire(kind);
    });
  }

  switch(kind: Kind, on: boolean): void {
    const device = this.#devices[kind];
    device.wanted = on;
    if (kind === "microphone" && device.track !== null) {
      device.track.enabled = on;
      this.#send(kind);
    }
    if (kind === "camera" && !on) this.#put(kind, null);
    this.#events.changed();
    if (on && device.track === null) void this.#inTurn(() => (device.wanted ? this.#acquire(kind) : Promise.resolve()));
  }

  /** The microphone is open and gives nothing, not even silence: opens it anew. */
  revive(): Promise<void> {
    return this.#inTurn(async () => {
      const { track, wanted } = this.#devices.microphone;
      if (track !== null && wanted) await this.#acquire("microphone");
    });
  }

  tick(now: number): void {
    const { track, wanted } = this.#devices.microphone;
    const level = track === null ? 0 : this.#meter.read(now, wanted);
    if (level === this.#level) return;
    this.#level = level;
    this.#events.changed();
  }

  close(): void {
    this.#closed = true;
    this.#env.mediaDevices?.removeEventListener?.("devicechange", this.#onChange);
    this.release();
  }

  /** Lets go of everything; may be opened again. */
  release(): void {
    this.#put("microphone", null);
    this.#put("camera", null);
    this.#status = "idle";
    this.#events.changed();
  }

  async #acquire(kind: Kind): Promise<void> {
    this.#take(kind, await captureOne(this.#env, kind === "microphone" ? "audio" : "video", this.#devices[kind]));
    this.#events.changed();
  }

  #take(kind: Kind, got: Got): void {
    const device = this.#devices[kind];
    device.fault = "fault" in got ? got.fault : null;
    if ("fault" in got) {
      // A microphone that works is not given up for one that does not.
      if (device.track?.readyState !== "live") this.#put(kind, null);
      return;
    }
    if (this.#closed || (kind === "camera" && !device.wanted)) return got.track.stop();
    this.#put(kind, got.track);
  }

  #put(kind: Kind, track: MediaStreamTrack | null): void {
    const device = this.#devices[kind];
    if (device.track === track) return;
    if (device.track !== null) {
      device.track.onended = null;
      device.track.stop();
    }
    device.track = track;
    if (track !== null) {
      if (kind === "microphone") track.enabled = device.wanted;
      track.onended = () => this.#ended(kind, track);
    }
    const tracks = [this.#devices.microphone.track, this.#devices.camera.track].filter((each) => each !== null);
    this.#stream = tracks.length > 0 ? new this.#env.MediaStream(tracks) : null;
    if (kind === "microphone") this.#meter.attach(track === null ? null : new this.#env.MediaStream([track]));
    this.#send(kind);
    this.#events.changed();
  }

  /** A muted microphone is taken off its line: left there, browsers send fifty packets of silence a second. */
  #send(kind: Kind): void {
    const { track, wanted } = this.#devices[kind];
    this.#events.track(kind, wanted ? track : null);
  }

  /** Unplugged, or taken by a telephone call: try whichever the browser gives, and say so if it gives none. */
  #ended(kind: Kind, track: MediaStreamTrack): void {
    void this.#inTurn(async () => {
      const device = this.#devices[kind];
      if (device.track !== track) return;
      device.id = null;
      this.#put(kind, null);
      await this.#acquire(kind);
      await this.#list();
    });
  }

  /** Something was plugged in or out: what was missing may be there now. */
  #plugged(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#status !== "open") return;
      await this.#list();
      for (const kind of ["microphone", "camera"] as const) {
        const { fault, wanted, choices } = this.#devices[kind];
        if (fault === "missing" && wanted && choices.length > 0) await this.#acquire(kind);
      }
    });
  }

  async #list(): Promise<void> {
    const all = (await this.#env.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    const of = (kind: MediaDeviceKind): DeviceChoice[] =>
      all
        .filter((each) => each.kind === kind && each.deviceId !== "" && each.deviceId !== "communications")
        .map(({ deviceId, label }) => ({ id: deviceId, label }));
    this.#devices.microphone.choices = of("audioinput");
    this.#devices.camera.choices = of("videoinput");
    this.#events.changed();
  }

  #set(status: LocalMedia["status"]): void {
    this.#status = status;
    this.#events.changed();
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(step);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}
