import type { ParticipantView, QueueView, VisitView } from "../../protocol";
import { createSession } from "../create";
import type { Session } from "../session";
import { FakeEnv, settle } from "./fake-env";
import type { FakePeerConnection } from "./fake-peer";

const person = (id: string, role: ParticipantView["role"]): ParticipantView => ({
  id,
  role,
  name: id,
  connected: true,
  awaySince: null,
  microphone: true,
  camera: true,
  canShareScreen: true,
});

export function visitView(change: Partial<VisitView> = {}): VisitView {
  return {
    id: "v",
    clinic: { name: "Riverside", phone: "555-0100" },
    practitioner: "Dr Lee",
    reason: "Knee",
    scheduledAt: null,
    phase: { is: "in-call", startedAt: 1 },
    media: "live",
    participants: [person("me", "patient"), person("other", "clinician")],
    sharer: null,
    shareRequests: [],
    ...change,
  };
}

export function queueView(change: Partial<QueueView> = {}): QueueView {
  return { clinic: { name: "Riverside", phone: "555-0100" }, practitioner: "Dr Lee", entries: [], more: 0, media: "idle", ...change };
}

export interface Opened {
  env: FakeEnv;
  session: Session;
  /** Says welcome on the newest socket. */
  welcome(build?: string): Promise<void>;
  visit(change?: Partial<VisitView>): Promise<void>;
  /** Answers the newest offer and lets the newest peer connect; then who is in the slots. */
  connect(slots?: (string | null)[]): Promise<FakePeerConnection>;
  ok(type: string): Promise<void>;
}

/** A session whose connection is open. */
export async function open(env = new FakeEnv(), role: "patient" | "clinician" = "patient"): Promise<Opened> {
  const session = createSession({ env: env, role });
  await settle();
  const opened: Opened = {
    env,
    session,
    async welcome(build = "b") {
      env.socket.onopen?.();
      const { time } = env;
      env.socket.say({ type: "welcome", participant: "me", role, resumeToken: "resume", serverTime: time + 5_000, build });
      await settle();
    },
    async visit(change) {
      const participants = [person("me", role), person("other", role === "patient" ? "clinician" : "patient")];
      env.socket.say({ type: "visit", visit: visitView({ participants, ...change }) });
      await settle();
    },
    async connect(slots = ["other", null, null]) {
      await settle();
      const { peer } = env;
      env.socket.say({ type: "answer", re: String(env.socket.last("offer").id), sdp: "v=0\r\n" });
      await settle();
      peer.become("connected");
      env.socket.say({ type: "slots", slots, screen: null });
      await settle();
      return peer;
    },
    async ok(type) {
      env.socket.say({ type: "ok", re: String(env.socket.last(type).id) });
      await settle();
    },
  };
  await opened.welcome();
  return opened;
}

/** In a call, heard and seen: pulses arrive and the other is in slot 0. */
export async function inCall(): Promise<Opened & { peer: FakePeerConnection }> {
  const opened = await open();
  await opened.visit();
  const peer = await opened.connect();
  peer.pulse();
  await opened.env.pass(300);
  return { ...opened, peer };
}

/** Packets arrive for this long. */
export async function hear(env: FakeEnv, peer: FakePeerConnection, ms: number): Promise<void> {
  for (let heard = 0; heard < ms; heard += 100) {
    peer.line(3).receiver.sources[0] = { rtpTimestamp: env.time };
    await env.pass(100);
  }
}
