import { describe, expect, test } from "vitest";
import { fault, faultHealth, standing } from "./faults";
import type { DeviceFault } from "./session";
import { FakeEnv, settle } from "./testing/fake-env";
import { open } from "./testing/session";

const CHROME = { userAgent: "Mozilla/5.0 (Linux; Android 15) Chrome/156 Mobile Safari/537.36" };
const FACEBOOK = { userAgent: "Mozilla/5.0 (iPhone) AppleWebKit/605 [FBAN/FBIOS;FBAV/500]" };

test.each<[string, DeviceFault]>([
  ["NotAllowedError", "blocked"],
  ["SecurityError", "blocked"],
  ["NotReadableError", "busy"],
  ["AbortError", "busy"],
  ["NotFoundError", "missing"],
  ["OverconstrainedError", "missing"],
  ["TypeError", "unknown"],
])("%s is %s", (name, expected) => {
  expect(fault(new DOMException("", name), CHROME)).toBe(expected);
});

test("what is thrown may be anything", () => {
  for (const thrown of [null, undefined, "no", {}]) expect(fault(thrown, CHROME)).toBe("unknown");
});

test("an in-app browser is named, whether it lacks the function or refuses it", () => {
  expect(fault(new DOMException("", "NotAllowedError"), FACEBOOK)).toBe("in-app-browser");
  expect(standing({ ...FACEBOOK, secureContext: true, mediaDevices: undefined })).toBe("in-app-browser");
});

test("plain http is named", () => {
  expect(standing({ ...CHROME, secureContext: false, mediaDevices: undefined })).toBe("insecure");
  expect(standing({ ...CHROME, secureContext: true, mediaDevices: {} })).toBeNull();
});

test("every fault has a health", () => {
  const faults: DeviceFault[] = ["blocked", "busy", "missing", "in-app-browser", "insecure", "unknown"];
  expect(faults.map(faultHealth)).toEqual(["blocked", "busy", "missing", "blocked", "blocked", "unknown"]);
});

describe("opening", () => {
  test("one prompt for both", async () => {
    const { env, session } = await open();
    const opening = session.devices.open("video");
    await Promise.resolve();
    expect(session.state.local.status).toBe("asking");
    await opening;
    expect(env.devices.asked).toHaveLength(1);
    expect(session.state.local).toMatchObject({
      status: "open",
      microphone: { on: true, fault: null, chosen: "mic-1", choices: [{ id: "mic-1", label: "Built-in" }] },
      camera: { on: true, fault: null, chosen: "cam-1" },
    });
    expect(session.state.local.stream?.getTracks()).toHaveLength(2);
  });

  test("sound only asks for the microphone alone", async () => {
    const { env, session } = await open();
    await session.devices.open("sound");
    expect(env.devices.asked.map(Object.keys)).toEqual([["audio"]]);
    expect(session.state.local).toMatchObject({ camera: { on: false, fault: null }, microphone: { on: true } });
  });

  test("camera refused: the voice works, and the camera is not asked for again by itself", async () => {
    const { env, session } = await open();
    env.devices.refuse = { both: "NotAllowedError", video: "NotAllowedError" };
    await session.devices.open("video");
    expect(session.state.local).toMatchObject({ microphone: { on: true, fault: null }, camera: { on: false, fault: "blocked" } });
    expect(env.devices.asked.map((asked) => Object.keys(asked).join())).toEqual(["audio,video", "audio"]);
  });

  test("microphone blocked, camera allowed: each by its own permission", async () => {
    const { env, session } = await open();
    env.devices.refuse = { both: "NotAllowedError", audio: "NotAllowedError" };
    env.permissions = {
      query: ({ name }) => Promise.resolve({ state: String(name) === "camera" ? "granted" : "denied" } as PermissionStatus),
    };
    await session.devices.open("video");
    expect(session.state.local).toMatchObject({ microphone: { fault: "blocked" }, camera: { on: true, fault: null } });
    expect(env.devices.asked).toHaveLength(2);
  });

  test.each([
    ["NotReadableError", "busy"],
    ["NotFoundError", "missing"],
  ])("a camera that fails with %s costs the picture, not the voice", async (name, expected) => {
    const { env, session } = await open();
    env.devices.refuse = { both: name, video: name };
    await session.devices.open("video");
    expect(session.state.local).toMatchObject({ microphone: { on: true }, camera: { on: false, fault: expected } });
  });

  test("trying again asks only for what is missing", async () => {
    const { env, session } = await open();
    env.devices.refuse = { both: "NotReadableError", video: "NotReadableError" };
    await session.devices.open("video");
    env.devices.refuse = {};
    env.devices.asked = [];
    await session.devices.open("video");
    expect(env.devices.asked.map(Object.keys)).toEqual([["video"]]);
    expect(session.state.local.camera).toMatchObject({ on: true, fault: null });
  });

  test("no such function: named without asking", async () => {
    const env = new FakeEnv();
    env.mediaDevices = undefined;
    env.secureContext = false;
    const { session } = await open(env);
    await session.devices.open("video");
    expect(session.state.local).toMatchObject({ status: "open", microphone: { fault: "insecure" }, camera: { fault: "insecure" } });
  });
});

describe("in use", () => {
  test("a muted microphone stays open; a camera that is off is stopped", async () => {
    const opened = await open();
    const { env, session } = opened;
    await session.devices.open("video");
    await opened.visit();
    const peer = await opened.connect();
    const [microphone, camera] = env.devices.tracks;
    session.setMicrophone(false);
    session.setCamera(false);
    await settle();
    expect(microphone).toMatchObject({ enabled: false, readyState: "live" });
    expect(camera?.readyState).toBe("ended");
    expect(peer.line(1).sender.track).toBeNull();
    // Not even silence is sent.
    expect(peer.line(0).sender.track).toBeNull();
    session.setMicrophone(true);
    session.setCamera(true);
    await settle();
    expect(microphone?.enabled).toBe(true);
    expect(peer.line(0).sender.track).toBe(microphone);
    expect(peer.line(1).sender.track?.readyState).toBe("live");
    expect(env.socket.of("offer")).toHaveLength(1);
  });

  test("off and on and off again in a hurry leaves no camera running", async () => {
    const { env, session } = await open();
    await session.devices.open("video");
    for (const on of [false, true, false]) session.setCamera(on);
    await settle();
    expect(env.devices.tracks.filter(({ kind, readyState }) => kind === "video" && readyState === "live")).toEqual([]);
  });

  test("off while the camera is still being opened: it is not left running", async () => {
    const { env, session } = await open();
    await session.devices.open("video");
    session.setCamera(false);
    let answer = (): void => undefined;
    env.devices.prompt = new Promise((resolve) => (answer = resolve));
    session.setCamera(true);
    await settle();
    session.setCamera(false);
    answer();
    await settle();
    expect(env.devices.tracks).toHaveLength(3);
    expect(env.devices.tracks[2]?.readyState).toBe("ended");
    expect(session.state.local.camera.on).toBe(false);
  });

  test("another microphone takes the line without negotiation, muted if we are", async () => {
    const opened = await open();
    const { env, session } = opened;
    await session.devices.open("video");
    await opened.visit();
    const peer = await opened.connect();
    session.setMicrophone(false);
    await session.devices.chooseMicrophone("mic-2");
    expect(session.state.local.microphone).toMatchObject({ chosen: "mic-2", on: false });
    expect(env.devices.tracks[0]?.readyState).toBe("ended");
    expect(peer.line(0).sender.track).toBeNull();
    session.setMicrophone(true);
    expect(peer.line(0).sender.track).toMatchObject({ deviceId: "mic-2", enabled: true });
  });

  test("a chosen microphone that fails leaves the one that works", async () => {
    const { env, session } = await open();
    await session.devices.open("video");
    env.devices.refuse.audio = "NotReadableError";
    await session.devices.chooseMicrophone("mic-2");
    expect(session.state.local.microphone).toMatchObject({ chosen: "mic-1", on: true, fault: "busy" });
  });

  test("unplugged: whichever other there is, and a fault if there is none", async () => {
    const { env, session } = await open();
    await session.devices.open("video");
    env.devices.tracks[0]?.end();
    await settle();
    expect(session.state.local.microphone).toMatchObject({ on: true, fault: null });
    env.devices.refuse.audio = "NotFoundError";
    env.devices.tracks.at(-1)?.end();
    await settle();
    expect(session.state.local.microphone).toMatchObject({ on: false, fault: "missing" });
  });

  test("plugged in: what was missing is there", async () => {
    const { env, session } = await open();
    env.devices.refuse = { both: "NotFoundError", video: "NotFoundError" };
    env.devices.list = [{ kind: "audioinput", deviceId: "mic-1", label: "Built-in" }];
    await session.devices.open("video");
    expect(session.state.local.camera.fault).toBe("missing");
    env.devices.refuse = {};
    env.devices.list.push({ kind: "videoinput", deviceId: "cam-9", label: "USB" });
    env.devices.dispatchEvent(new Event("devicechange"));
    await settle();
    expect(session.state.local.camera).toMatchObject({ on: true, fault: null });
  });
});
