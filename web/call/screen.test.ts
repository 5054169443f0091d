import { describe, expect, test } from "vitest";
import { SHARE_WITHIN_MS } from "./limits";
import { FakeEnv, settle } from "./testing/fake-env";
import { open, type Opened } from "./testing/session";

async function inCall(role: "patient" | "clinician"): Promise<Opened> {
  const opened = await open(new FakeEnv(), role);
  await opened.visit();
  await opened.connect();
  return opened;
}

const screenOf = ({ env }: Opened) => env.peer.line(2).sender.track;
const captured = ({ env }: Opened) => env.devices.tracks.at(-1);

describe("a clinician", () => {
  test("captures in the click, asks, and shows it once the view grants it", async () => {
    const opened = await inCall("clinician");
    const { env, session } = opened;
    const sharing = session.shareScreen();
    expect(env.devices.asked).toHaveLength(1);
    await settle();
    expect(screenOf(opened)).toBeNull();
    await opened.ok("share-request");
    await sharing;
    await opened.visit({ sharer: "me" });
    expect(session.state.local.screen.status).toBe("sharing");
    expect(screenOf(opened)).toBe(captured(opened));
    expect(captured(opened)?.contentHint).toBe("detail");
    expect(env.socket.of("offer")).toHaveLength(1);
  });

  test("the view may come before the answer", async () => {
    const opened = await inCall("clinician");
    void opened.session.shareScreen();
    await settle();
    await opened.visit({ sharer: "me" });
    await opened.ok("share-request");
    expect(opened.session.state.local.screen.status).toBe("sharing");
  });

  test("closing the browser's choice asks the server nothing and is nobody's problem", async () => {
    const opened = await inCall("clinician");
    opened.env.devices.refuse.display = "NotAllowedError";
    await expect(opened.session.shareScreen()).rejects.toMatchObject({ code: "share-cancelled" });
    expect(opened.env.socket.of("share-request")).toEqual([]);
    expect(opened.session.state.problem).toBeNull();
  });

  test("refused by the server: the capture stops", async () => {
    const opened = await inCall("clinician");
    const sharing = expect(opened.session.shareScreen()).rejects.toMatchObject({ code: "wrong-state" });
    await settle();
    const re = String(opened.env.socket.last("share-request").id);
    opened.env.socket.say({ type: "error", re, code: "wrong-state", message: "" });
    await sharing;
    expect(captured(opened)?.readyState).toBe("ended");
    expect(opened.session.state.local.screen).toMatchObject({ status: "off", stream: null });
  });

  test("never granted in the view: the capture does not go on for nothing", async () => {
    const opened = await inCall("clinician");
    void opened.session.shareScreen();
    await settle();
    await opened.ok("share-request");
    await opened.env.pass(SHARE_WITHIN_MS + 200);
    expect(captured(opened)?.readyState).toBe("ended");
  });

  test("the browser's own stop button tells the server", async () => {
    const opened = await inCall("clinician");
    void opened.session.shareScreen();
    await settle();
    await opened.ok("share-request");
    await opened.visit({ sharer: "me" });
    captured(opened)?.end();
    await settle();
    expect(opened.env.socket.last("share-stop")).toMatchObject({ visit: "v", participant: "me" });
    expect(screenOf(opened)).toBeNull();
    expect(opened.session.state.local.screen.status).toBe("off");
  });

  test("stops and refuses others", async () => {
    const opened = await inCall("clinician");
    void opened.session.stopSharing("other");
    expect(opened.env.socket.last("share-stop")).toMatchObject({ participant: "other" });
    void opened.session.grantShare("other");
    expect(opened.env.socket.last("share-grant")).toMatchObject({ visit: "v", participant: "other" });
  });
});

describe("a patient", () => {
  test("asks, is granted, clicks, and only then captures", async () => {
    const opened = await inCall("patient");
    const { env, session } = opened;
    void session.shareScreen();
    expect(session.state.local.screen.status).toBe("requested");
    await opened.ok("share-request");
    expect(session.state.local.screen.status).toBe("requested");
    await opened.visit({ shareRequests: ["me"] });
    expect(session.state.local.screen.status).toBe("requested");
    expect(env.devices.asked).toEqual([]);
    await opened.visit({ sharer: "me" });
    expect(session.state.local.screen.status).toBe("granted");
    await session.shareScreen();
    expect(session.state.local.screen.status).toBe("sharing");
    expect(screenOf(opened)).toBe(captured(opened));
  });

  test("refused by the clinician", async () => {
    const opened = await inCall("patient");
    void opened.session.shareScreen();
    await opened.ok("share-request");
    await opened.visit({ shareRequests: ["me"] });
    await opened.visit();
    expect(opened.session.state.local.screen.status).toBe("off");
  });

  test("granted, and then chose no screen: the place is given back", async () => {
    const opened = await inCall("patient");
    await opened.visit({ sharer: "me" });
    opened.env.devices.refuse.display = "NotAllowedError";
    const sharing = expect(opened.session.shareScreen()).rejects.toMatchObject({ code: "share-cancelled" });
    await settle();
    await opened.ok("share-stop");
    await sharing;
  });

  test("somebody else takes over: the capture stops at once", async () => {
    const opened = await inCall("patient");
    await opened.visit({ sharer: "me" });
    await opened.session.shareScreen();
    await opened.visit({ sharer: "other" });
    expect(captured(opened)?.readyState).toBe("ended");
    expect(screenOf(opened)).toBeNull();
    expect(opened.session.state.local.screen.status).toBe("off");
  });

  test("the screen is on the new connection after a stall", async () => {
    const opened = await inCall("patient");
    const { env } = opened;
    await opened.visit({ sharer: "me" });
    await opened.session.shareScreen();
    const share = captured(opened);
    env.peer.pulse();
    await env.pass(1_000);
    expect(env.peers).toHaveLength(2);
    await opened.connect();
    expect(env.peer.line(2).sender.track).toBe(share);
  });
});

test("a browser that cannot is told to the server and refuses in words", async () => {
  const env = new FakeEnv();
  Object.defineProperty(env.devices, "getDisplayMedia", { value: undefined });
  const opened = await open(env);
  expect(env.socket.sent[0]).toMatchObject({ type: "hello", canShareScreen: false });
  await opened.visit();
  await expect(opened.session.shareScreen()).rejects.toMatchObject({ code: "share-unsupported" });
});
