import { describe, expect, test } from "vitest";
import { CONNECT_WITHIN_MAX_MS, CONNECT_WITHIN_MS, LINGER_MS, VOICELESS_AGAIN_MS, VOICELESS_MS } from "./limits";
import { FakeEnv, settle } from "./testing/fake-env";
import { hear, inCall, open } from "./testing/session";

describe("the pool", () => {
  test("lines stand in the order of the contract", async () => {
    const { env, visit } = await open();
    await visit({ media: "warm" });
    expect(env.peer.lines).toEqual([
      "audio sendonly",
      "video sendonly",
      "video sendonly",
      ...Array.from({ length: 3 }, () => ["audio recvonly", "video recvonly"]).flat(),
      "video recvonly",
      "application",
    ]);
    expect(env.peer.channel).toMatchObject({
      label: "pulse",
      options: { negotiated: true, id: 0, ordered: false, maxRetransmits: 0 },
    });
    expect(env.peer.configuration).toMatchObject({ bundlePolicy: "max-bundle" });
  });

  test("every line prefers Opus alone, or VP8 and its retransmission", async () => {
    const { env, visit } = await open();
    await visit({ media: "warm" });
    for (const { kind, codecs } of env.peer.transceivers) {
      expect(codecs).toEqual(kind === "audio" ? ["audio/opus"] : ["video/VP8", "video/rtx"]);
    }
  });

  test("the camera has three layers and sends one", async () => {
    const { env, visit } = await open();
    await visit({ media: "warm" });
    expect(env.peer.line(1).encodings.map(({ rid, active }) => `${rid} ${active}`)).toEqual(["q false", "h false", "f true"]);
  });

  test("a browser that refuses preferences, or has none, is connected all the same", async () => {
    const opened = await open();
    const { env } = opened;
    const add = env.RTCPeerConnection.prototype.addTransceiver;
    env.RTCPeerConnection.prototype.addTransceiver = function (...args: Parameters<typeof add>) {
      const refuse = (): never => {
        throw new DOMException("no", "InvalidModificationError");
      };
      return Object.assign(add.apply(this, args), { setCodecPreferences: refuse });
    };
    await opened.visit();
    await opened.connect();
    expect(opened.session.state.media.status).toBe("connected");
  });

  test("a browser without WebRTC says that it failed, and nothing breaks", async () => {
    const env = new FakeEnv();
    Object.assign(env, { RTCPeerConnection: undefined });
    const opened = await open(env);
    await opened.visit();
    await env.pass(2_000);
    expect(opened.session.state.media.status).toBe("failed");
    expect(opened.session.state.link.is).toBe("open");
  });

  test("the microphone and the camera are in the first offer when they are open", async () => {
    const opened = await open();
    await opened.session.devices.open("video");
    await opened.visit();
    expect(opened.env.peer.line(0).sender.track?.kind).toBe("audio");
    expect(opened.env.peer.line(1).sender.track?.kind).toBe("video");
  });

  test("an offer longer than the server takes is not sent", async () => {
    const opened = await open();
    await opened.visit({ media: "idle" });
    const { env } = opened;
    env.RTCPeerConnection.prototype.createOffer = () => Promise.resolve({ type: "offer", sdp: "a".repeat(48 * 1024 + 1) });
    await opened.visit();
    expect(env.socket.of("offer")).toHaveLength(0);
    env.RTCPeerConnection.prototype.createOffer = () => Promise.resolve({ type: "offer", sdp: "a".repeat(48 * 1024) });
    await env.pass(300);
    expect(env.socket.of("offer")).toHaveLength(1);
  });
});

describe("what the server wishes", () => {
  test("idle: nothing; warm: connect; idle again: closed after a moment", async () => {
    const opened = await open();
    await opened.visit({ media: "idle" });
    expect(opened.env.peers).toHaveLength(0);
    expect(opened.session.state.media.status).toBe("idle");
    await opened.visit({ media: "warm" });
    expect(opened.session.state.media.status).toBe("connecting");
    const peer = await opened.connect([]);
    expect(opened.session.state.media.status).toBe("connected");
    await opened.visit({ media: "idle" });
    expect(peer.closed).toBe(false);
    await opened.env.pass(LINGER_MS + 200);
    expect(peer.closed).toBe(true);
    expect(opened.session.state.media.status).toBe("idle");
  });

  test("warm to live negotiates nothing", async () => {
    const opened = await open();
    await opened.visit({ media: "warm" });
    await opened.connect([]);
    await opened.visit({ media: "live" });
    await opened.env.pass(1_000);
    expect(opened.env.socket.of("offer")).toHaveLength(1);
    expect(opened.env.peers).toHaveLength(1);
  });

  test("between visits a clinician follows the queue", async () => {
    const { env } = await open(new FakeEnv(), "clinician");
    const clinic = { name: "R", phone: "5" };
    env.socket.say({ type: "visit", visit: null });
    env.socket.say({ type: "queue", queue: { clinic, practitioner: "Dr Lee", entries: [], more: 0, media: "warm" } });
    await settle();
    expect(env.socket.of("offer")).toHaveLength(1);
  });
});

describe("slots and remotes", () => {
  test("a slot's sound and picture are one stream, by the fixed lines", async () => {
    const { env, session, peer } = await inCall();
    env.socket.say({ type: "slots", slots: [null, "third", "me"], screen: "third" });
    await settle();
    const [remote] = session.state.media.remotes;
    expect(session.state.media.remotes).toHaveLength(1);
    expect(remote?.participant).toBe("third");
    expect(remote?.stream.getTracks()).toEqual([peer.line(5).receiver.track, peer.line(6).receiver.track]);
    expect(session.state.media.screen?.participant).toBe("third");
    expect(session.state.media.screen?.stream.getTracks()).toEqual([peer.line(9).receiver.track]);
  });

  test("slots that were told before the connection is up count once it is", async () => {
    const opened = await open();
    await opened.visit();
    opened.env.socket.say({ type: "slots", slots: ["other"], screen: null });
    await settle();
    expect(opened.session.state.media.remotes).toEqual([]);
    opened.env.socket.say({ type: "answer", re: String(opened.env.socket.last("offer").id), sdp: "" });
    await settle();
    opened.env.peer.become("connected");
    expect(opened.session.state.media.remotes.map(({ participant }) => participant)).toEqual(["other"]);
  });

  test("a picture is there while frames are decoded", async () => {
    const { env, session, peer } = await inCall();
    const stat = { id: "v", type: "inbound-rtp", trackIdentifier: peer.line(4).receiver.track.id, framesDecoded: 0 };
    peer.stats = [stat];
    await hear(env, peer, 500);
    expect(session.state.media.remotes[0]?.hasPicture).toBe(false);
    stat.framesDecoded = 5;
    await hear(env, peer, 500);
    expect(session.state.media.remotes[0]?.hasPicture).toBe(true);
    await hear(env, peer, 3_500);
    expect(session.state.media.remotes[0]?.hasPicture).toBe(false);
  });

  test("statistics that are late prove no standstill", async () => {
    const { env, session, peer } = await inCall();
    const stat = { id: "v", type: "inbound-rtp", trackIdentifier: peer.line(4).receiver.track.id, framesDecoded: 0 };
    peer.stats = [stat];
    await hear(env, peer, 500);
    stat.framesDecoded = 5;
    await hear(env, peer, 500);
    let counted = (): void => undefined;
    peer.busy = new Promise((resolve) => (counted = resolve));
    await hear(env, peer, 4_000);
    expect(session.state.media.remotes[0]?.hasPicture).toBe(true);
    peer.busy = null;
    stat.framesDecoded = 9;
    counted();
    await hear(env, peer, 1_500);
    expect(session.state.media.remotes[0]?.hasPicture).toBe(true);
  });

  test("the first picture is noticed at once, however long one waited in the warm seat", async () => {
    const opened = await open();
    await opened.visit({ media: "warm" });
    const peer = await opened.connect([]);
    peer.stats = [{ id: "v", type: "inbound-rtp", trackIdentifier: peer.line(4).receiver.track.id, framesDecoded: 0 }];
    for (let second = 0; second < 30; second++) {
      peer.pulse();
      await opened.env.pass(1_000);
      opened.env.socket.say({ type: "pong", nonce: 0 });
    }
    await opened.visit({ media: "live" });
    opened.env.socket.say({ type: "slots", slots: ["other"], screen: null });
    await opened.env.pass(200);
    peer.stats[0] = { ...peer.stats[0], framesDecoded: 1 };
    await opened.env.pass(200);
    expect(opened.session.state.media.remotes[0]?.hasPicture).toBe(true);
  });

  test("a microphone of which nothing leaves is opened anew, once", async () => {
    const { env, session, peer } = await inCall();
    await session.devices.open("sound");
    const spoken = { id: "o", type: "outbound-rtp", kind: "audio", packetsSent: 50 };
    peer.stats = [spoken];
    const talk = async (ms: number, packets: number) => {
      for (let passed = 0; passed < ms; passed += 100) {
        spoken.packetsSent += packets;
        await hear(env, peer, 100);
      }
    };
    await talk(6_000, 5);
    session.setMicrophone(false);
    await talk(6_000, 0);
    session.setMicrophone(true);
    await talk(VOICELESS_MS - 1_000, 0);
    expect(env.devices.asked).toHaveLength(1);
    await talk(3_000, 0);
    expect(env.devices.asked).toHaveLength(2);
    expect(peer.line(0).sender.track).toBe(env.devices.tracks.at(-1));
    await talk(VOICELESS_AGAIN_MS - 5_000, 0);
    expect(env.devices.asked).toHaveLength(2);
    await talk(10_000, 0);
    expect(env.devices.asked).toHaveLength(3);
  });

  test("a browser that does not count what it sends is not suspected", async () => {
    const { env, session, peer } = await inCall();
    await session.devices.open("sound");
    peer.stats = [{ id: "o", type: "outbound-rtp", kind: "audio" }];
    await hear(env, peer, VOICELESS_MS + 4_000);
    expect(env.devices.asked).toHaveLength(1);
  });

  test("levels come in steps, and a snapshot that changes nothing is not made", async () => {
    const { env, session, peer } = await inCall();
    let changes = 0;
    session.subscribe(() => (changes += 1));
    for (const audioLevel of [0.501, 0.499, 0.502]) {
      peer.line(3).receiver.sources[0] = { rtpTimestamp: env.time, audioLevel };
      await env.pass(100);
    }
    expect(session.state.media.remotes[0]?.level).toBe(0.5);
    expect(changes).toBe(1);
  });

  test("the transport is that of the selected pair", async () => {
    const { env, session, peer } = await inCall();
    peer.stats = [
      { id: "t", type: "transport", selectedCandidatePairId: "p", bytesReceived: 1 },
      { id: "p", type: "candidate-pair", localCandidateId: "l" },
      { id: "l", type: "local-candidate", candidateType: "prflx", protocol: "tcp" },
    ];
    await hear(env, peer, 1_200);
    expect(session.state.media.transport).toBe("tcp");
  });
});

describe("coming back", () => {
  test("connections that fail are tried again, less and less often, and said so", async () => {
    const opened = await open();
    await opened.visit();
    const { env, session } = opened;
    for (let i = 0; i < 3; i++) {
      const made = env.peers.length;
      env.peer.become("failed");
      expect(env.peer.closed).toBe(true);
      await env.pass(125 * 1.5 ** i - 50);
      expect(env.peers).toHaveLength(made);
      await env.pass(100);
      expect(env.peers).toHaveLength(made + 1);
    }
    expect(session.state.media.status).toBe("failed");
    await opened.connect();
    expect(session.state.media.status).toBe("connected");
  });

  test("one that is not up in time is given up, and the next one gets longer", async () => {
    const opened = await open();
    await opened.visit();
    const { env } = opened;
    const [first] = env.peers;
    // The server says something now and then, so that only the media is late.
    const wait = async (ms: number) => {
      for (let waited = 0; waited < ms; waited += 1_000) {
        env.socket.say({ type: "pong", nonce: 0 });
        await env.pass(1_000);
      }
      await env.pass(400);
    };
    await wait(CONNECT_WITHIN_MS);
    expect(first?.closed).toBe(true);
    expect(env.peers).toHaveLength(2);
    await wait(CONNECT_WITHIN_MS + 1_000);
    expect(env.peers[1]?.closed).toBe(false);
    await wait(CONNECT_WITHIN_MAX_MS - CONNECT_WITHIN_MS);
    expect(env.peers[1]?.closed).toBe(true);
  });

  test("a page that slept through the news of its connection keeps it", async () => {
    const opened = await open();
    await opened.visit();
    opened.env.peer.connectionState = "connected";
    opened.env.socket.say({ type: "pong", nonce: 0 });
    opened.env.time += CONNECT_WITHIN_MS;
    await opened.env.pass(100);
    expect(opened.env.peers).toHaveLength(1);
    expect(opened.session.state.media.status).toBe("connected");
  });

  test("the session is closed by the server: connect anew", async () => {
    const { env, peer } = await inCall();
    await hear(env, peer, 2_000);
    expect(env.peers).toHaveLength(1);
    env.socket.say({ type: "media-closed" });
    await settle();
    expect(env.peers).toHaveLength(2);
    expect(env.socket.of("offer")).toHaveLength(2);
  });

  test("of the session that was just replaced, its end is no news", async () => {
    const opened = await open();
    await opened.visit();
    await opened.connect();
    opened.env.socket.say({ type: "media-closed" });
    await opened.env.pass(500);
    expect(opened.env.peers).toHaveLength(1);
  });

  test("another network: the same seat by an ICE restart, and a new connection if that fails", async () => {
    const { env, session, peer } = await inCall();
    env.fire("networkchange");
    await settle();
    expect(peer.restarts).toBe(1);
    expect(env.socket.last("offer")).toMatchObject({ restart: true });
    await env.pass(1_500);
    expect(env.peers).toHaveLength(1);
    env.socket.say({ type: "error", re: String(env.socket.last("offer").id), code: "not-found", message: "" });
    await settle();
    expect(session.state.media.status).toBe("stalled");
    expect(env.peers).toHaveLength(2);
    // A failed restart is the engine's business, not a person's.
    expect(session.state.problem).toBeNull();
  });

  test("ICE interrupted: a restart, one at a time", async () => {
    const { env, peer } = await inCall();
    peer.become("disconnected");
    await settle();
    expect(peer.restarts).toBe(1);
    env.fire("networkchange");
    env.fire("online");
    await settle();
    expect(peer.restarts).toBe(1);
  });

  test("the server is back: no pause that began without it is sat out", async () => {
    const opened = await open();
    await opened.visit();
    const { env } = opened;
    for (let i = 0; i < 9; i++) {
      env.peer.become("failed");
      env.socket.say({ type: "pong", nonce: 0 });
      await env.pass(4_000);
    }
    env.peer.become("failed");
    const made = env.peers.length;
    env.socket.lose(1006);
    await env.pass(200);
    await opened.welcome();
    expect(env.peers).toHaveLength(made + 1);
  });

  test("`failed` is not restarted but replaced", async () => {
    const { env, peer } = await inCall();
    peer.become("failed");
    await settle();
    expect(peer.restarts).toBe(0);
    expect(env.peers).toHaveLength(2);
  });
});
