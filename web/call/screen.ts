/**
 * Sharing a screen. Browsers capture only from a click, and the server allows one sharer at a time, so the
 * two have to meet:
 *
 * ```text
 * clinician: click ▸ capture ▸ ask ▸ granted in the view ▸ sharing
 * patient:   click ▸ ask ▸ requested ▸ granted in the view ▸ click ▸ capture ▸ sharing
 * ```
 * Whoever is no longer the sharer in the server's view stops capturing at once.
 */
import type { VisitView } from "../protocol";
import type { Env } from "./env";
import { SHARE_WITHIN_MS } from "./limits";
import { type LocalMedia, Refusal } from "./session";

export interface ScreenEvents {
  /** Gives a command for this visit; resolves when recorded. */
  request(visit: string): Promise<unknown>;
  stop(visit: string, participant: string): Promise<unknown>;
  track(track: MediaStreamTrack | null): void;
  changed(): void;
}

export class ScreenShare {
  readonly #env: Pick<Env, "mediaDevices" | "now">;
  readonly #events: ScreenEvents;
  readonly supported: boolean;
  #me: string | null = null;
  #visit: VisitView | null = null;
  #status: LocalMedia["screen"]["status"] = "off";
  #stream: MediaStream | null = null;
  /** Captured, and asking: the view may not show us as the sharer yet. */
  #askingUntil: number | null = null;
  /** Our request is on its way: the view may not show it yet. */
  #requestingUntil: number | null = null;

  constructor(env: Pick<Env, "mediaDevices" | "now">, events: ScreenEvents) {
    this.#env = env;
    this.#events = events;
    this.supported = typeof env.mediaDevices?.getDisplayMedia === "function";
  }

  get view(): LocalMedia["screen"] {
    return { status: this.#status, stream: this.#stream, supported: this.supported };
  }

  /** The newest view of the visit. */
  follow(visit: VisitView | null, me: string | null): void {
    this.#visit = visit;
    this.#me = me;
    const mine = visit !== null && me !== null && visit.sharer === me;
    const asked = visit !== null && me !== null && visit.shareRequests.includes(me);
    if (mine || asked || visit === null) this.#requestingUntil = null;
    if (this.#stream !== null) {
      if (mine) this.#share();
      else if (this.#askingUntil === null || visit === null) this.#release();
    } else if (mine) this.#set("granted");
    else this.#set(asked || this.#requestingUntil !== null ? "requested" : "off");
  }

  /** From a click. */
  async share(): Promise<void> {
    const visit = this.#visit;
    if (visit === null || this.#me === null) throw new Refusal("wrong-state", "Not in a visit");
    if (!this.supported) throw new Refusal("share-unsupported", "This browser cannot share a screen");
    const leads = visit.participants.find(({ id }) => id === this.#me)?.role === "clinician";
    if (this.#status === "granted") return this.#capture(visit.id);
    if (this.#status !== "off") return;
    if (leads) {
      await this.#capture(null);
      return this.#ask(visit.id);
    }
    this.#requestingUntil = this.#env.now() + SHARE_WITHIN_MS;
    this.#set("requested");
    try {
      await this.#events.request(visit.id);
    } catch (error) {
      this.#requestingUntil = null;
      this.follow(this.#visit, this.#me);
      throw error;
    }
  }

  /** Ours, or (clinician) somebody else's; also withdraws or refuses a request. */
  async stop(participant: string | null): Promise<void> {
    const visit = this.#visit;
    const whose = participant ?? this.#me;
    if (whose === this.#me) {
      this.#requestingUntil = null;
      this.#release();
    }
    if (visit !== null && whose !== null) await this.#events.stop(visit.id, whose);
  }

  tick(now: number): void {
    if (this.#askingUntil !== null && now >= this.#askingUntil) this.#release();
    if (this.#requestingUntil !== null && now >= this.#requestingUntil) {
      this.#requestingUntil = null;
      this.follow(this.#visit, this.#me);
    }
  }

  close(): void {
    this.#release();
  }

  /** Asks the browser. `granted`: in which visit the server had already said yes. */
  async #capture(granted: string | null): Promise<void> {
    let stream: MediaStream;
    try {
      // Sound of a shared tab would come back as an echo.
      stream = await (this.#env.mediaDevices as MediaDevices).getDisplayMedia({ video: { frameRate: { max: 15 } }, audio: false });
    } catch {
      // The person closed the browser's choice. The server must not wait for a screen that will not come.
      if (granted !== null && this.#me !== null) await this.#events.stop(granted, this.#me).catch(() => undefined);
      throw new Refusal("share-cancelled", "No screen was chosen");
    }
    const [track] = stream.getVideoTracks();
    if (track === undefined) throw new Refusal("share-cancelled", "No screen was chosen");
    // Legible text rather than smooth motion.
    track.contentHint = "detail";
    track.onended = () => void this.stop(null).catch(() => undefined);
    this.#stream = stream;
    this.#askingUntil = this.#env.now() + SHARE_WITHIN_MS;
    this.follow(this.#visit, this.#me);
  }

  async #ask(visit: string): Promise<void> {
    try {
      await this.#events.request(visit);
    } catch (error) {
      this.#release();
      throw error;
    }
    this.follow(this.#visit, this.#me);
  }

  #share(): void {
    this.#askingUntil = null;
    if (this.#status === "sharing") return;
    this.#events.track(this.#stream?.getVideoTracks()[0] ?? null);
    this.#set("sharing");
  }

  #release(): void {
    this.#askingUntil = null;
    const stream = this.#stream;
    this.#stream = null;
    for (const track of stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    if (stream !== null) this.#events.track(null);
    this.#set("off");
  }

  #set(status: LocalMedia["screen"]["status"]): void {
    if (this.#status === status) return;
    this.#status = status;
    this.#events.changed();
  }
}
