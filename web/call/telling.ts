/** What the server is told without being asked: microphone and camera on or off, and how devices do. Not durable. */
import type { ClientMessage, DeviceHealth } from "../protocol";
import { HEALTH_SETTLE_MS } from "./limits";
import type { LocalMedia } from "./session";

export class Telling {
  readonly #send: (message: ClientMessage) => void;
  #media = "";
  #health = "";
  #healthSince = 0;

  constructor(send: (message: ClientMessage) => void) {
    this.#send = send;
  }

  /** A fresh connection knows nothing of what the last one was told. */
  forget(): void {
    this.#media = this.#health = "";
  }

  /** Whether microphone and camera are on, when that changed. */
  media({ microphone, camera }: LocalMedia): void {
    const message: ClientMessage = { type: "media-state", microphone: microphone.on, camera: camera.on };
    const now = JSON.stringify(message);
    if (now === this.#media) return;
    this.#media = now;
    this.#send(message);
  }

  /** How the devices do, when that changed and a moment has passed. */
  health(now: number, devices: DeviceHealth): void {
    const found = JSON.stringify(devices);
    if (found === this.#health) this.#healthSince = now;
    else if (now - this.#healthSince >= HEALTH_SETTLE_MS) {
      this.#health = found;
      this.#healthSince = now;
      this.#send({ type: "devices", devices });
    }
  }
}
