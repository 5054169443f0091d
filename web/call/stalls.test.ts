import { describe, expect, test } from "vitest";
import { SAY_COUNTS_EVERY, STALL_QUIET_MS } from "./limits";
import type { FakeEnv } from "./testing/fake-env";
import type { FakePeerConnection } from "./testing/fake-peer";
import { hear, inCall, open, type Opened } from "./testing/session";

describe("stalls", () => {
  test("half a second without packet or pulse: a new connection, while the old one still stands", async () => {
    const { env, session, peer } = await inCall();
    await hear(env, peer, 1_000);
    await env.pass(300);
    expect(session.state.media.status).toBe("connected");
    // The last packet came at the beginning of the last 100 ms of hearing: half a second ago.
    await env.pass(100);
    expect(session.state.media.status).toBe("stalled");
    expect(env.peers).toHaveLength(2);
    expect(peer.closed).toBe(false);
    expect(env.socket.of("offer")).toHaveLength(2);
    expect(env.socket.of("ping")).toHaveLength(1);
  });

  test("the new one takes over with everybody in their slots, the old one is closed", async () => {
    const opened = await inCall();
    const { env, session, peer } = opened;
    await opened.session.devices.open("video");
    await env.pass(700);
    const next = env.peer;
    // The voice first.
    expect(next.line(0).sender.track).not.toBeNull();
    expect(next.line(1).sender.track).toBeNull();
    await opened.connect();
    expect(peer.closed).toBe(true);
    expect(session.state.media.status).toBe("connected");
    expect(next.line(1).sender.track).not.toBeNull();
    expect(session.state.media.remotes[0]?.stream.getTracks()[0]).toBe(next.line(3).receiver.track);
    expect(env.sounds[0]?.srcObject?.getTracks()).toEqual([next.line(3).receiver.track]);
  });

  test("pulses alone are life", async () => {
    const { env, session, peer } = await inCall();
    for (let i = 0; i < 10; i++) {
      peer.pulse();
      await env.pass(300);
    }
    expect(session.state.media.status).toBe("connected");
  });

  test("everybody muted: one lost pulse is no stall, three are", async () => {
    const { env, session, peer } = await inCall();
    await env.pass(200);
    for (let i = 0; i < 5; i++) {
      peer.pulse();
      await env.pass(400);
    }
    expect(session.state.media.status).toBe("connected");
    await env.pass(300);
    expect(session.state.media.status).toBe("stalled");
  });

  test("bytes that the transport counts are life, though nothing was played out", async () => {
    const { env, session, peer } = await inCall();
    const stat = { id: "t", type: "transport", bytesReceived: 0 };
    peer.stats = [stat];
    for (let i = 0; i < 20; i++) {
      stat.bytesReceived += 100;
      await env.pass(100);
    }
    expect(session.state.media.status).toBe("connected");
    await env.pass(700);
    expect(session.state.media.status).toBe("stalled");
  });

  test("a machine too busy to count is not a network that is silent", async () => {
    const { env, session, peer } = await inCall();
    await hear(env, peer, 300);
    let counted = (): void => undefined;
    peer.busy = new Promise((resolve) => (counted = resolve));
    await env.pass(800);
    expect(session.state.media.status).toBe("connected");
    counted();
    await env.pass(400);
    expect(session.state.media.status).toBe("stalled");
  });

  test("statistics that fail do not hide a stall", async () => {
    const { env, session, peer } = await inCall();
    peer.getStats = () => Promise.reject(new Error("no"));
    await hear(env, peer, 300);
    await env.pass(700);
    expect(session.state.media.status).toBe("stalled");
  });

  test("without a pulse ever, silence proves nothing", async () => {
    const opened = await open();
    await opened.visit();
    await opened.connect();
    await opened.env.pass(5_000);
    expect(opened.session.state.media.status).toBe("connected");
  });

  test("in a warm seat a pulse a second is enough", async () => {
    const opened = await open();
    await opened.visit({ media: "warm" });
    const peer = await opened.connect([]);
    for (let i = 0; i < 4; i++) {
      peer.pulse();
      await opened.env.pass(1_000);
    }
    expect(opened.session.state.media.status).toBe("connected");
    await opened.env.pass(3_000);
    expect(opened.session.state.media.status).toBe("stalled");
  });

  test("a page that was frozen does not blame the network", async () => {
    const { env, session, peer } = await inCall();
    await hear(env, peer, 500);
    env.time += 60_000;
    await env.pass(100);
    expect(session.state.media.status).toBe("connected");
  });

  test("a path that stutters is given more time each time, and the usual again once it was steady", async () => {
    const opened = await inCall();
    const { env } = opened;
    const untilStalled = async (): Promise<number> => {
      env.peer.pulse();
      await hear(env, env.peer, 500);
      const began = env.time;
      while (opened.session.state.media.status === "connected") await env.pass(100);
      await opened.connect();
      return env.time - began;
    };
    expect([await untilStalled(), await untilStalled(), await untilStalled()]).toEqual([400, 800, 1_600]);
    env.peer.pulse();
    for (let second = 0; second < 31; second++) {
      env.socket.say({ type: "pong", nonce: 0 });
      await hear(env, env.peer, 1_000);
    }
    expect(await untilStalled()).toBe(400);
  });

  test("the path carries again before another could be offered: it is kept", async () => {
    const opened = await inCall();
    const { env, session, peer } = opened;
    await hear(env, peer, 500);
    env.socket.lose(1006);
    await env.pass(700);
    expect(session.state.media.status).toBe("stalled");
    await hear(env, peer, 100);
    expect(session.state.media.status).toBe("stalled");
    await hear(env, peer, 100);
    expect(session.state.media.status).toBe("connected");
    await opened.welcome();
    await opened.visit();
    await hear(env, peer, 1_000);
    expect(env.peers).toHaveLength(1);
    expect(env.socket.of("offer")).toHaveLength(0);
    // And it is watched as before, with the patience of one that stuttered.
    await env.pass(1_500);
    expect(env.peers).toHaveLength(2);
  });

  test("once another is offered there is no way back", async () => {
    const { env, session, peer } = await inCall();
    await hear(env, peer, 500);
    await env.pass(700);
    expect(env.peers).toHaveLength(2);
    await hear(env, peer, 500);
    expect(session.state.media.status).toBe("stalled");
    expect(env.peers[1]?.closed).toBe(false);
  });

  test("packets that were still on their way do not bring back a connection that is gone", async () => {
    const { env, session, peer } = await inCall();
    await hear(env, peer, 500);
    env.socket.lose(1006);
    peer.become("failed");
    await hear(env, peer, 500);
    expect(session.state.media.status).toBe("stalled");
  });

  test("the server dies: after it is back the call comes back without a click", async () => {
    const opened = await inCall();
    const { env, session } = opened;
    env.socket.lose(1006);
    await env.pass(700);
    expect(session.state.media.status).toBe("stalled");
    expect(session.state.link.is).toBe("reconnecting");
    expect(env.peers).toHaveLength(1);
    await opened.welcome();
    await opened.visit();
    await env.pass(100);
    expect(env.peers).toHaveLength(2);
    await opened.connect();
    expect(session.state.media.status).toBe("connected");
  });
});

describe("where everybody is silent", () => {
  const QUIET = 2;
  const PATIENT = 3;

  /** A report comes: nothing is seen of it but in the count of bytes. */
  function report(peer: FakePeerConnection): void {
    const [counted] = peer.stats;
    peer.stats = [{ id: "t", type: "transport", bytesReceived: Number(counted?.bytesReceived ?? 1_000) + 50 }];
  }

  /** Everybody is muted: that only reports will come, and then one a second, for so many seconds. */
  async function quiet(env: FakeEnv, peer: FakePeerConnection, seconds: number): Promise<void> {
    peer.pulse(QUIET);
    for (let second = 0; second < seconds; second++) {
      report(peer);
      env.socket.say({ type: "pong", nonce: 0 });
      await env.pass(1_000);
    }
  }

  /** How long from now until the path is given up. */
  async function untilStalled({ env, session }: Pick<Opened, "env" | "session">): Promise<number> {
    const began = env.time;
    while (session.state.media.status === "connected" && env.time - began < 30_000) await env.pass(100);
    return env.time - began;
  }

  test("a browser that counts bytes says so, on every connection anew", async () => {
    const opened = await inCall();
    const { env, peer } = opened;
    for (let i = 0; i < 12; i++) {
      expect(peer.channel?.sent).toEqual([]);
      peer.pulse();
      await env.pass(200);
    }
    for (let i = 0; i < 12; i++) {
      report(peer);
      peer.pulse();
      await env.pass(200);
    }
    expect(peer.channel?.sent).toEqual([[QUIET], [PATIENT]]);
    await env.pass(700);
    const next = await opened.connect();
    expect(next).not.toBe(peer);
    for (let i = 0; i < 12; i++) {
      report(next);
      next.pulse();
      await env.pass(200);
    }
    expect(next.channel?.sent).toEqual([[QUIET], [PATIENT]]);
  });

  test("it is said again to a server that goes on with pulses, now and then, and not to one that heard it", async () => {
    const { env, peer } = await inCall();
    await quiet(env, peer, 3);
    expect(peer.channel?.sent).toHaveLength(2);
    for (let i = 0; i < 2 * SAY_COUNTS_EVERY; i++) peer.pulse();
    expect(peer.channel?.sent).toHaveLength(6);
    for (let i = 0; i < 4 * SAY_COUNTS_EVERY; i++) peer.pulse(QUIET);
    expect(peer.channel?.sent).toHaveLength(6);
  });

  test("a channel that is closing breaks nothing", async () => {
    const { env, session, peer } = await inCall();
    if (peer.channel !== null) peer.channel.send = () => {
      throw new DOMException("closing", "InvalidStateError");
    };
    await quiet(env, peer, 5);
    expect(session.state.media.status).toBe("connected");
  });

  test("one in three seconds is life, and one may be lost", async () => {
    const opened = await inCall();
    const { env, session, peer } = opened;
    await quiet(env, peer, 1);
    for (const seconds of [3, 3, 6, 3, 6]) {
      report(peer);
      for (let second = 0; second < seconds; second++) {
        env.socket.say({ type: "pong", nonce: 0 });
        await env.pass(1_000);
      }
    }
    expect(session.state.media.status).toBe("connected");
  });

  test("when they end, that is a stall", async () => {
    const opened = await inCall();
    const { env, session, peer } = opened;
    await quiet(env, peer, 5);
    await env.pass(2_000);
    expect(session.state.media.status).toBe("connected");
    peer.pulse(QUIET);
    const took = await untilStalled(opened);
    expect(took).toBeGreaterThanOrEqual(STALL_QUIET_MS);
    expect(took).toBeLessThanOrEqual(STALL_QUIET_MS + 200);
  });

  test("a packet, and the ordinary patience holds again", async () => {
    const opened = await inCall();
    await quiet(opened.env, opened.peer, 3);
    await hear(opened.env, opened.peer, 100);
    expect(await untilStalled(opened)).toBe(400);
  });

  test("a quick pulse, and the ordinary patience holds again", async () => {
    const opened = await inCall();
    await quiet(opened.env, opened.peer, 3);
    opened.peer.pulse();
    await opened.env.pass(100);
    expect(await untilStalled(opened)).toBe(600);
  });

  test("a word of a server from later times is an ordinary pulse, and so is text", async () => {
    for (const say of [(peer: FakePeerConnection) => peer.pulse(3), (peer: FakePeerConnection) => peer.channel?.onmessage?.({ data: "2" })]) {
      const opened = await inCall();
      await quiet(opened.env, opened.peer, 2);
      say(opened.peer);
      await opened.env.pass(100);
      expect(await untilStalled(opened)).toBe(600);
    }
  });

  test("a server from before: quick pulses only, and the patience there always was", async () => {
    const opened = await inCall();
    for (let i = 0; i < 50; i++) {
      opened.peer.pulse();
      await opened.env.pass(200);
    }
    expect(opened.session.state.media.status).toBe("connected");
    // The last of them came 100 ms ago.
    expect(await untilStalled(opened)).toBe(500);
  });

  test("somebody unmutes and nothing comes: no stall while pulses come, and one when they end", async () => {
    const opened = await inCall();
    const { env, session, peer } = opened;
    const person = { connected: true, awaySince: null, camera: false, canShareScreen: true };
    const both = (microphone: boolean) => [
      { ...person, id: "me", role: "patient" as const, name: "me", microphone: false },
      { ...person, id: "other", role: "clinician" as const, name: "other", microphone },
    ];
    await opened.visit({ participants: both(false) });
    await quiet(env, peer, 3);
    await opened.visit({ participants: both(true) });
    await quiet(env, peer, 5);
    expect(session.state.media.status).toBe("connected");
    const took = await untilStalled(opened);
    expect(took).toBeLessThanOrEqual(STALL_QUIET_MS - 1_000 + 200);
  });

  test("a page whose timers are slowed down: packets, then word that only reports will come, between two looks", async () => {
    const opened = await inCall();
    const { env, session, peer } = opened;
    await hear(env, peer, 300);
    // Nothing looks for ten seconds; messages are noted all the same.
    peer.line(3).receiver.sources[0] = { rtpTimestamp: env.time + 500 };
    for (let second = 0; second < 8; second++) peer.pulse(QUIET);
    env.time += 10_000;
    await env.pass(900);
    expect(session.state.media.status).toBe("connected");
    expect(await untilStalled(opened)).toBeGreaterThanOrEqual(2_000);
  });

  test("the other way round, the packets that follow put it right", async () => {
    const opened = await inCall();
    await quiet(opened.env, opened.peer, 3);
    opened.peer.pulse(QUIET);
    await hear(opened.env, opened.peer, 200);
    expect(await untilStalled(opened)).toBe(400);
  });

  test("a new connection knows nothing of the pulses of the one before", async () => {
    const opened = await inCall();
    const { env, peer } = opened;
    await quiet(env, peer, 3);
    peer.become("failed");
    const next = await opened.connect();
    next.pulse();
    await env.pass(100);
    expect(await untilStalled(opened)).toBe(600);
  });

  test("what pulses said before the connection was promoted counts", async () => {
    const opened = await open();
    await opened.visit();
    opened.env.peer.pulse(QUIET);
    await opened.connect();
    expect(await untilStalled(opened)).toBeGreaterThanOrEqual(STALL_QUIET_MS);
  });

  test("stalls in a row make the patience longer, but not that of a second times eight", async () => {
    const opened = await inCall();
    const { env } = opened;
    for (let stall = 0; stall < 4; stall++) {
      env.peer.pulse();
      await hear(env, env.peer, 500);
      await untilStalled(opened);
      await opened.connect();
    }
    await quiet(env, env.peer, 3);
    env.peer.pulse(QUIET);
    // It stuttered just now: eight times the usual, which is less than two reports take, and no more than those.
    expect(await untilStalled(opened)).toBeLessThanOrEqual(STALL_QUIET_MS + 200);
  });
});
