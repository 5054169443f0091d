// @vitest-environment jsdom
import { act, fireEvent, screen } from "@testing-library/react";
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { SessionState } from "../call/session";
import * as f from "../gallery/fixtures";
import { views } from "../gallery/views";
import { expectAccessible } from "../ui/testing/accessible";
import { draw } from "../ui/testing/draw";
import "../ui/testing/setup";
import { PatientApp, pageFor } from "./PatientApp";

// The real page fetches it while the patient checks in.
beforeAll(() => import("./Call"));

const state = (change: Partial<SessionState> = {}) => f.patientState({ visit: f.visit(), ...change });
const waiting = (ahead: number) => f.visit({ phase: f.waitingPhase(6, ahead) });
const call = f.visit({ phase: f.inCall, media: "live" });
const talking = (change: Partial<SessionState> = {}) =>
  state({ visit: call, local: f.open("patient"), media: f.talking("clinician"), ...change });

describe("which page", () => {
  it.each([
    ["opening", { visit: null }],
    ["check-in", {}],
    ["waiting", { visit: waiting(2) }],
    ["call", { visit: call }],
    ["closed", { visit: f.visit({ phase: { is: "ended", at: 0, outcome: "done", reason: null } }) }],
    ["closed", { visit: call, link: { is: "closed" } }],
    ["replaced", { visit: call, link: { is: "replaced" } }],
    ["refused", { visit: null, link: { is: "refused", because: "over", clinic: null } }],
    // Losing the connection moves nobody.
    ["waiting", { visit: waiting(2), link: { is: "reconnecting", since: 0, attempt: 9 } }],
    ["call", { visit: call, link: { is: "reconnecting", since: 0, attempt: 9 } }],
  ] as [ReturnType<typeof pageFor>, Partial<SessionState>][])("is %s", (page, change) => {
    expect(pageFor(state(change))).toBe(page);
  });
});

describe("checking in", () => {
  it("explains before the browser asks", () => {
    const { session } = draw(<PatientApp />, state());
    expect(screen.getByText(/Choose Allow/)).toBeTruthy();
    expect(screen.queryByTestId("ready")).toBeNull();
    expect(session.devices.open).not.toHaveBeenCalled();
    fireEvent.click(screen.getByTestId("open-devices"));
    expect(session.devices.open).toHaveBeenCalledExactlyOnceWith("video");
  });

  it("asks for no camera when sound was chosen", () => {
    const { session } = draw(<PatientApp />, state());
    fireEvent.click(screen.getByTestId("choose-sound"));
    fireEvent.click(screen.getByTestId("open-devices"));
    expect(session.devices.open).toHaveBeenCalledExactlyOnceWith("sound");
  });

  it("tells when it hears something, and checks in", async () => {
    const { session } = draw(<PatientApp />, state({ local: f.open("patient") }));
    expect(screen.getByText("We hear you")).toBeTruthy();
    await act(async () => fireEvent.click(screen.getByTestId("ready")));
    expect(session.checkIn).toHaveBeenCalledExactlyOnceWith("video");
  });

  it("asks whether the test sound was heard, and reports the answer", async () => {
    const { session } = draw(<PatientApp />, state({ local: f.open("patient") }));
    await act(async () => fireEvent.click(screen.getByTestId("play-sound")));
    fireEvent.click(screen.getByRole("button", { name: "No" }));
    expect(session.devices.reportSpeaker).toHaveBeenCalledExactlyOnceWith(false);
    expect(screen.getByText(/Turn up the volume/)).toBeTruthy();
  });

  it("goes on with sound only when the camera is blocked, and stays so after a reload", async () => {
    const local = f.open("patient");
    const blocked = { ...local, camera: { ...local.camera, on: false, fault: "blocked" as const } };
    const { session, unmount } = draw(<PatientApp />, state({ local: blocked }));
    expect(screen.getByTestId("problem").dataset["code"]).toBe("camera-blocked");
    fireEvent.click(screen.getByTestId("sound-only"));
    expect(session.devices.open).toHaveBeenCalledExactlyOnceWith("sound");
    await act(async () => fireEvent.click(screen.getByTestId("ready")));
    expect(session.checkIn).toHaveBeenCalledExactlyOnceWith("sound");
    unmount();
    draw(<PatientApp />, state());
    expect(screen.getByTestId<HTMLInputElement>("choose-sound").checked).toBe(true);
  });

  it("lets somebody in who has neither camera nor microphone", () => {
    draw(<PatientApp />, state({ local: { ...f.open("patient"), stream: null, microphone: { ...f.idle.microphone, fault: "missing" }, camera: { ...f.idle.camera, fault: "missing" } } }));
    expect(screen.getByTestId("problem").dataset["code"]).toBe("devices-missing");
    expect(screen.getByTestId("ready")).toBeTruthy();
  });
});

describe("waiting", () => {
  it("says the place, and says aloud only that it changed", () => {
    const { session } = draw(<PatientApp />, state({ visit: waiting(2), local: f.open("patient") }));
    expect(screen.getByTestId("place").textContent).toMatch(/^2 people before you/);
    expect(screen.getByTestId("live-polite").textContent).toBe("");
    act(() => session.finish({ visit: waiting(2) }));
    expect(screen.getByTestId("live-polite").textContent).toBe("");
    act(() => session.finish({ visit: waiting(1) }));
    expect(screen.getByTestId("live-polite").textContent).toMatch(/1 person before you/);
  });

  it("does not claim that somebody absent knows", () => {
    draw(<PatientApp />, state({ visit: f.withPerson(waiting(2), "clinician", { connected: false }) }));
    expect(screen.getByRole("heading", { level: 1 }).textContent).toBe("The clinic knows you are here");
  });

  it("says aloud, at once, that one can go in", async () => {
    const { session } = draw(<PatientApp />, state({ visit: waiting(0), local: f.open("patient") }));
    await act(async () => session.finish({ visit: call, media: f.talking("clinician") }));
    await screen.findByTestId("call");
    expect(screen.getByTestId("live-assertive").textContent).toMatch(/You can go in now/);
  });

  it("gives up the place only when told twice", async () => {
    const { session } = draw(<PatientApp />, state({ visit: waiting(2) }));
    fireEvent.click(screen.getByTestId("leave"));
    expect(session.leave).not.toHaveBeenCalled();
    await act(async () => fireEvent.click(screen.getByTestId("confirm-leave")));
    expect(session.leave).toHaveBeenCalledTimes(1);
  });

  it("says since when the connection is lost, that nothing is, and after a while whom to call", () => {
    draw(<PatientApp />, state({ visit: waiting(2), link: { is: "reconnecting", since: Date.now() - 48_000, attempt: 4 } }));
    const banner = screen.getByTestId("link-state");
    expect(banner.textContent).toMatch(/Reconnecting… \(0:48\).*safe.*555-0100/);
    expect(screen.getByTestId("place")).toBeTruthy();
  });
});

describe("the call", () => {
  it("turns sound and camera off and says so in the buttons' names", async () => {
    const { session } = draw(<PatientApp />, talking());
    fireEvent.click(await screen.findByRole("button", { name: "Sound on" }));
    expect(session.setMicrophone).toHaveBeenCalledExactlyOnceWith(false);
    expect(screen.getByRole("button", { name: "Sound off" })).toBeTruthy();
    fireEvent.keyDown(document.body, { code: "KeyV", key: "v", altKey: true });
    expect(session.setCamera).toHaveBeenCalledExactlyOnceWith(false);
  });

  it("counts messages while the chat is closed and moves no focus", async () => {
    const { session } = draw(<PatientApp />, talking({ chat: { "visit-1": f.chat.slice(0, 1) } }));
    const sound = await screen.findByTestId("sound");
    sound.focus();
    act(() => session.finish({ chat: { "visit-1": f.chat } }));
    expect(document.activeElement).toBe(sound);
    expect(screen.getByTestId("chat").textContent).toMatch(/1 new/);
    expect(screen.getByTestId("live-polite").textContent).toMatch(/New message from Dr Amara Lee/);
  });

  it("opens the chat at its title, and Escape gives the focus back", async () => {
    draw(<PatientApp />, talking());
    const chat = await screen.findByTestId("chat");
    chat.focus();
    fireEvent.click(chat);
    const title = screen.getByRole("heading", { name: "Messages with Dr Amara Lee" });
    expect(document.activeElement).toBe(title);
    fireEvent.keyDown(title, { key: "Escape" });
    expect(document.activeElement).toBe(chat);
    expect(screen.queryByTestId("chat-input")).toBeNull();
  });

  it("leaves only when told twice, in words", async () => {
    const { session } = draw(<PatientApp />, talking());
    fireEvent.click(await screen.findByTestId("leave"));
    expect(screen.getByRole("dialog", { name: "Leave the call?" })).toBeTruthy();
    expect(session.leave).not.toHaveBeenCalled();
    await act(async () => fireEvent.click(screen.getByTestId("confirm-leave")));
    expect(session.leave).toHaveBeenCalledTimes(1);
  });

  it("asks for a tap when the browser holds the sound back", async () => {
    const { session } = draw(<PatientApp />, talking({ media: f.talking("clinician", { soundBlocked: true }) }));
    const unblock = vi.spyOn(session, "unblockSound");
    fireEvent.click(await screen.findByTestId("tap-to-hear"));
    expect(unblock).toHaveBeenCalledTimes(1);
    expect(screen.queryByTestId("tap-to-hear")).toBeNull();
  });

  it("keeps the same video element when a screen comes and goes", async () => {
    const { session } = draw(<PatientApp />, talking());
    const video = await screen.findByTestId("remote-video");
    act(() => session.finish({ media: f.talking("clinician", { screen: f.shared("clinician") }) }));
    expect(screen.getByTestId("screen-video")).toBeTruthy();
    expect(screen.getByTestId("remote-video")).toBe(video);
    act(() => session.finish({ media: f.talking("clinician") }));
    expect(screen.queryByTestId("screen-video")).toBeNull();
    expect(screen.getByTestId("remote-video")).toBe(video);
  });

  it("says a stall at once, and that it is over when it is", async () => {
    const { session } = draw(<PatientApp />, talking());
    await screen.findByTestId("call");
    act(() => session.finish({ media: f.talking("clinician", { status: "stalled" }) }));
    expect(screen.getByTestId("live-assertive").textContent).toMatch(/The connection stopped/);
    expect(screen.getByTestId("path").dataset["status"]).toBe("stalled");
    act(() => session.finish({ media: f.talking("clinician") }));
    expect(screen.getByTestId("live-polite").textContent).toMatch(/Connection is good/);
  });
});

it("uses this tab only when told to", () => {
  const { session } = draw(<PatientApp />, state({ link: { is: "replaced" } }));
  expect(session.takeOver).not.toHaveBeenCalled();
  fireEvent.click(screen.getByTestId("take-over"));
  expect(session.takeOver).toHaveBeenCalledTimes(1);
});

it("closes with the clinic's reason", () => {
  draw(<PatientApp />, state({ visit: f.visit({ phase: { is: "ended", at: 0, outcome: "denied", reason: "Come in person." } }) }));
  expect(screen.getByTestId("denied-reason").textContent).toBe("Come in person.");
  expect(screen.getAllByRole("link", { name: "Call 555-0100" }).length).toBeGreaterThan(0);
});

describe("nothing for axe to find", () => {
  // The photographer examines every state in a real browser; these are for the minute before.
  const examined = views.filter(({ id }) => /^patient-(check-in|check-in-both-blocked|waiting|call-sharing|closed-denied)$/.test(id));
  it.each(examined.map((view) => [view.id, view] as const))("in %s", async (id, view) => {
    const { container } = draw(<PatientApp />, view.state());
    if (id.startsWith("patient-call")) await screen.findByTestId("call");
    await expectAccessible(container);
  });
});
