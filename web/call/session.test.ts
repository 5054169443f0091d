import { describe, expect, test } from "vitest";
import type { Line } from "./chat";
import { BUSY_TICK_MS, QUIET_TICK_MS } from "./limits";
import { Refusal } from "./session";
import { FakeEnv, settle } from "./testing/fake-env";
import { open } from "./testing/session";
import { createSession } from "./create";

describe("links", () => {
  test("the secret leaves the address bar at once and is exchanged by POST", async () => {
    const { env, session } = await open();
    expect(env.urls).toEqual(["/visit"]);
    expect(env.posts).toEqual([{ url: "/api/v1/links/exchange", body: '{"secret":"secret"}' }]);
    expect(env.socket.url).toBe("ws://localhost:8080/ws");
    expect(env.socket.protocol).toBe("telehealth.v1");
    expect(env.socket.sent[0]).toMatchObject({ type: "hello", token: "join" });
    expect(session.state).toMatchObject({ link: { is: "open" }, me: "me", clockOffset: 5_000 });
    expect(session.state.greeting).toMatchObject({ practitioner: "Dr Lee", name: "Marisol" });
  });

  test("a reload keeps the place without the link", async () => {
    const { env } = await open();
    const again = new FakeEnv();
    again.stored = env.stored;
    again.location = { ...again.location, hash: "" };
    const opened = await open(again);
    expect(again.posts).toEqual([]);
    expect(again.socket.sent[0]).toMatchObject({ type: "hello", token: "resume" });
    await opened.visit();
    expect(opened.session.state.greeting).toMatchObject({ role: "patient", name: "me", practitioner: "Dr Lee" });
  });

  test("another link in the same tab is another place", async () => {
    const { env } = await open();
    const again = new FakeEnv();
    again.stored = env.stored;
    again.location = { ...again.location, hash: "#k=other" };
    await open(again);
    expect(again.posts[0]?.body).toContain("other");
    expect(again.socket.sent[0]).toMatchObject({ token: "join" });
  });

  test.each([
    [401, { is: "refused", because: "unknown", clinic: null }],
    [410, { is: "refused", because: "over", clinic: { name: "Riverside", phone: "555-0100" } }],
    [503, { is: "reconnecting", since: 1_000_000, attempt: 1 }],
    [429, { is: "reconnecting", since: 1_000_000, attempt: 1 }],
  ])("%i", async (status, link) => {
    const env = new FakeEnv();
    const body = status === 410 ? { clinic: { name: "Riverside", phone: "555-0100" } } : {};
    env.exchange = () => Response.json(body, { status });
    const session = createSession({ env });
    await settle();
    expect(session.state.link).toEqual(link);
  });

  test("storage that throws costs the reload and nothing else", async () => {
    const env = new FakeEnv();
    const no = (): never => {
      throw new DOMException("no", "SecurityError");
    };
    env.storage = { getItem: no, setItem: no, removeItem: no };
    const { session } = await open(env);
    expect(session.state.link.is).toBe("open");
  });

  test("replaced: devices are let go, nothing comes back by itself, and one click takes over", async () => {
    const opened = await open();
    const { env, session } = opened;
    await session.devices.open("video");
    await opened.visit();
    await opened.connect();
    env.socket.lose(4409);
    await env.pass(60_000);
    expect(session.state.link.is).toBe("replaced");
    expect(env.sockets).toHaveLength(1);
    expect(env.devices.tracks.every(({ readyState }) => readyState === "ended")).toBe(true);
    expect(env.peer.closed).toBe(true);
    session.takeOver();
    await settle();
    await opened.welcome();
    expect(session.state.link.is).toBe("open");
  });

  test("a server that serves newer pages is noticed when it greets us again", async () => {
    const { env, session, welcome } = await open();
    const again = async (build: string) => {
      env.socket.lose(1012);
      await env.pass(1_000);
      await welcome(build);
    };
    await again("b");
    expect(session.state.outdated).toBe(false);
    await again("c");
    expect(session.state.outdated).toBe(true);
    expect(env.socket.last("hello").build).toBe("b");
    await again("b");
    expect(session.state.outdated).toBe(false);
  });

  test("a socket that is no longer ours says nothing", async () => {
    const { env, session } = await open();
    const [old] = env.sockets;
    env.socket.lose(1006);
    await env.pass(200);
    expect(env.sockets).toHaveLength(2);
    old?.lose(4409);
    expect(session.state.link.is).toBe("reconnecting");
  });
});

describe("verbs", () => {
  test("resolve when recorded, not before", async () => {
    const { session, ok } = await open();
    let recorded = false;
    void session.checkIn("video").then(() => (recorded = true));
    await settle();
    expect(recorded).toBe(false);
    await ok("check-in");
    expect(recorded).toBe(true);
  });

  test("reject with the server's code, and leave words with a reference", async () => {
    const { env, session } = await open();
    const admitted = session.admit("v").catch((error: unknown) => error);
    env.socket.say({ type: "error", re: String(env.socket.last("admit").id), code: "wrong-state", message: "" });
    expect(await admitted).toBeInstanceOf(Refusal);
    expect(await admitted).toMatchObject({ code: "wrong-state" });
    expect(session.state.problem).toEqual({ code: "wrong-state", reference: "WRONG-STATE-2222" });
    session.dismissProblem();
    expect(session.state.problem).toBeNull();
  });

  test("an invitation gives the link", async () => {
    const { env, session } = await open(new FakeEnv(), "clinician");
    const invited = session.invite("Marisol", "Knee");
    env.socket.say({ type: "invited", re: String(env.socket.last("invite").id), visit: "v2", link: "http://h/visit#k=x" });
    await expect(invited).resolves.toEqual({ visit: "v2", link: "http://h/visit#k=x" });
  });

  test("leaving silences this device at once, with or without a server", async () => {
    const opened = await open();
    await opened.session.devices.open("video");
    await opened.visit();
    await opened.connect();
    opened.env.socket.lose(1006);
    void opened.session.leave().catch(() => undefined);
    expect(opened.env.devices.tracks.every(({ readyState }) => readyState === "ended")).toBe(true);
    expect(opened.env.peer.closed).toBe(true);
  });

  test("the end of the visit turns the patient's camera off", async () => {
    const opened = await open();
    await opened.session.devices.open("video");
    await opened.visit();
    await opened.visit({ phase: { is: "ended", at: 1, outcome: "done", reason: null }, media: "idle" });
    expect(opened.env.devices.tracks.every(({ readyState }) => readyState === "ended")).toBe(true);
    expect(opened.session.state.local.status).toBe("idle");
  });

  test("dispose stops everything", async () => {
    const opened = await open();
    await opened.session.devices.open("video");
    await opened.visit();
    opened.session.dispose();
    expect(opened.env.period).toBe(0);
    expect(opened.env.listeners()).toBe(0);
    expect(opened.env.socket.closed).toBe(1000);
    expect(opened.env.devices.tracks.every(({ readyState }) => readyState === "ended")).toBe(true);
  });
});

describe("chat", () => {
  const texts = (lines: Line[] | undefined) => lines?.map(({ text, pending, failed }) => `${text}${pending ? " …" : ""}${failed ? " !" : ""}`);
  const said = (seq: number, text: string, from = "me") => ({ seq, from, role: "patient" as const, at: 1, text });

  test("ours is shown at once, and once when it is recorded", async () => {
    const { env, session, ok } = await open();
    void session.chat("v", "hello");
    expect(texts(session.state.chat.v)).toEqual(["hello …"]);
    env.socket.say({ type: "chat", visit: "v", message: said(3, "hello") });
    await ok("chat");
    expect(texts(session.state.chat.v)).toEqual(["hello"]);
    expect(session.state.chat.v?.[0]?.seq).toBe(3);
  });

  test("the answer may come before the line", async () => {
    const { env, session, ok } = await open();
    void session.chat("v", "hello");
    await ok("chat");
    expect(texts(session.state.chat.v)).toEqual(["hello"]);
    env.socket.say({ type: "chat", visit: "v", message: said(3, "hello") });
    expect(texts(session.state.chat.v)).toEqual(["hello"]);
  });

  test("lost on the way: said again after the reconnect, shown once", async () => {
    const opened = await open();
    const { env, session } = opened;
    void session.chat("v", "hello");
    env.socket.lose(1006);
    await env.pass(200);
    await opened.welcome();
    expect(env.socket.of("chat")).toHaveLength(1);
    env.socket.say({ type: "chat-history", visit: "v", messages: [said(1, "before", "other"), said(2, "hello")] });
    expect(texts(session.state.chat.v)).toEqual(["before", "hello"]);
    await opened.ok("chat");
    expect(texts(session.state.chat.v)).toEqual(["before", "hello"]);
  });

  test("the same words said twice are two lines", async () => {
    const { env, session } = await open();
    env.socket.say({ type: "chat-history", visit: "v", messages: [said(1, "yes")] });
    void session.chat("v", "yes");
    env.socket.say({ type: "chat-history", visit: "v", messages: [said(1, "yes")] });
    expect(texts(session.state.chat.v)).toEqual(["yes", "yes …"]);
  });

  test("refused: marked, not lost", async () => {
    const { env, session } = await open();
    const chat = session.chat("v", "");
    env.socket.say({ type: "error", re: String(env.socket.last("chat").id), code: "text-invalid", message: "" });
    await expect(chat).rejects.toMatchObject({ code: "text-invalid" });
    expect(texts(session.state.chat.v)).toEqual([" !"]);
  });

  test("a line that comes twice stands once, in the server's order", async () => {
    const { env, session } = await open();
    for (const seq of [5, 4, 5]) env.socket.say({ type: "chat", visit: "v", message: said(seq, String(seq), "other") });
    expect(texts(session.state.chat.v)).toEqual(["4", "5"]);
  });
});

describe("what the server is told", () => {
  test("microphone and camera, on a change and after each reconnect", async () => {
    const opened = await open();
    const { env, session } = opened;
    await session.devices.open("video");
    expect(env.socket.last("media-state")).toMatchObject({ microphone: true, camera: true });
    session.setMicrophone(false);
    expect(env.socket.last("media-state")).toMatchObject({ microphone: false, camera: true });
    env.socket.lose(1006);
    await env.pass(200);
    await opened.welcome();
    expect(env.socket.of("media-state")).toEqual([{ type: "media-state", microphone: false, camera: true }]);
  });

  test("a waiting patient's devices, network included, once they are still", async () => {
    const opened = await open();
    const { env, session } = opened;
    env.devices.refuse.video = "NotReadableError";
    await session.devices.open("video");
    session.devices.reportSpeaker(true);
    await opened.visit({ phase: { is: "waiting", since: 1, ahead: 0, minutes: null }, media: "warm" });
    await opened.connect([]);
    await env.pass(1_500);
    expect(env.socket.last("devices").devices).toEqual({ microphone: "unknown", camera: "busy", speaker: "good", network: "good" });
    const told = env.socket.of("devices").length;
    await env.pass(2_000);
    expect(env.socket.of("devices")).toHaveLength(told);
    // A telephone call takes the microphone.
    const [microphone] = env.devices.tracks;
    if (microphone) microphone.muted = true;
    await env.pass(1_000);
    expect(env.socket.last("devices").devices).toMatchObject({ microphone: "weak" });
  });
});

describe("the device stays awake", () => {
  test("while waiting and in the call, again after the page was hidden, and not after", async () => {
    const opened = await open();
    const { env } = opened;
    await opened.visit({ phase: { is: "booked" }, media: "idle" });
    expect(env.locks).toHaveLength(0);
    await opened.visit({ phase: { is: "waiting", since: 1, ahead: 0, minutes: null }, media: "idle" });
    expect(env.locks).toHaveLength(1);
    const [lock] = env.locks;
    if (lock) lock.released = true;
    env.shown = false;
    env.fire("visibilitychange");
    await settle();
    expect(env.locks).toHaveLength(1);
    env.shown = true;
    env.fire("visibilitychange");
    await settle();
    expect(env.locks).toHaveLength(2);
    await opened.visit({ phase: { is: "ended", at: 1, outcome: "done", reason: null }, media: "idle" });
    expect(env.locks[1]?.released).toBe(true);
  });

  test("a patient who only waits is looked at once a second", async () => {
    const opened = await open();
    await opened.visit({ phase: { is: "waiting", since: 1, ahead: 4, minutes: null }, media: "idle" });
    expect(opened.env.period).toBe(QUIET_TICK_MS);
    opened.env.socket.lose(1006);
    expect(opened.env.period).toBe(BUSY_TICK_MS);
  });
});

describe("sound", () => {
  test("refused by the browser: said so, and one click plays it", async () => {
    const env = new FakeEnv();
    env.autoplay = false;
    const opened = await open(env);
    await opened.visit();
    await opened.connect();
    expect(opened.session.state.media.soundBlocked).toBe(true);
    env.autoplay = true;
    opened.session.unblockSound();
    await settle();
    expect(opened.session.state.media.soundBlocked).toBe(false);
    expect(env.sounds.filter(({ removed }) => !removed).every(({ playing }) => playing)).toBe(true);
  });

  test("refused after a reload: plays once the microphone is open, without a click", async () => {
    const env = new FakeEnv();
    env.autoplay = false;
    const opened = await open(env);
    await opened.visit();
    await opened.connect();
    expect(opened.session.state.media.soundBlocked).toBe(true);
    env.autoplay = true;
    await opened.session.devices.open("sound");
    await settle();
    expect(opened.session.state.media.soundBlocked).toBe(false);
  });

  test("paused by a telephone call: plays again", async () => {
    const opened = await open();
    await opened.visit();
    await opened.connect();
    const [sound] = opened.env.sounds;
    if (sound) sound.playing = false;
    sound?.onpause?.();
    expect(sound?.playing).toBe(true);
  });

  test("somebody who leaves falls silent", async () => {
    const opened = await open();
    await opened.visit();
    await opened.connect();
    opened.env.socket.say({ type: "slots", slots: [null], screen: null });
    expect(opened.env.sounds).toMatchObject([{ removed: true, srcObject: null }]);
  });

  test("we never hear ourselves", async () => {
    const opened = await open();
    await opened.visit();
    await opened.connect(["me"]);
    expect(opened.env.sounds).toEqual([]);
    expect(opened.session.state.media.remotes).toEqual([]);
  });
});
