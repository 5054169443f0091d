// @vitest-environment jsdom
import { act, fireEvent, screen, within } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { SessionState } from "../call/session";
import * as f from "../gallery/fixtures";
import { views } from "../gallery/views";
import * as times from "../i18n/time";
import * as sound from "../ui/chime";
import { expectAccessible } from "../ui/testing/accessible";
import { draw } from "../ui/testing/draw";
import "../ui/testing/setup";
import { ClinicApp } from "./ClinicApp";
import { LASTING } from "./Unrecorded";

const state = (change: Partial<SessionState> = {}) => f.clinicState({ queue: f.everybody(), ...change });
const talking = (change: Partial<SessionState> = {}) =>
  state({
    visit: f.visit({ phase: f.inCall, media: "live" }),
    queue: f.queue([...f.waiting.slice(1), f.entry("visit-1", "Marisol Vega", "", f.inCall)]),
    local: f.open("clinician"),
    media: f.talking("patient"),
    ...change,
  });
const row = (visit: string) => document.querySelector<HTMLElement>(`[data-testid="queue-row"][data-visit="${visit}"]`) as HTMLElement;
const alt = (code: string) => fireEvent.keyDown(document.body, { code, key: code.slice(-1).toLowerCase(), altKey: true });

let rings = 0;
beforeEach(() => {
  rings = 0;
  vi.spyOn(sound, "chime").mockImplementation(() => {
    rings += 1;
    return Promise.resolve(true);
  });
});

describe("the queue", () => {
  it("stands in the server's order, the longest wait first, and the title counts", () => {
    draw(<ClinicApp />, state());
    const waits = [...document.querySelectorAll(".queue-row--waiting .queue-row__wait")].map((wait) => wait.textContent);
    expect(waits).toEqual(["18 min", "6 min", "<1 min"]);
    expect(document.title).toBe("(3) Waiting room");
  });

  it("says that nobody waits", () => {
    draw(<ClinicApp />, state({ queue: f.queue([]) }));
    expect(screen.getAllByText("Nobody is waiting").length).toBeGreaterThan(0);
    expect(document.title).toBe("Waiting room");
  });

  it("takes its note on held-back sound away after the first click, never under the finger", () => {
    draw(<ClinicApp />, state());
    const note = () => screen.queryByText(/holds back the arrival sound/);
    fireEvent.pointerDown(document.body);
    fireEvent.pointerUp(document.body);
    expect(note()).not.toBeNull();
    fireEvent.click(document.body);
    expect(note()).toBeNull();
  });

  it("grows older by the server's clock, whatever the device believes", () => {
    // This device is an hour slow.
    draw(<ClinicApp />, state({ clockOffset: f.NOW + 5 * 60_000 - Date.now() }));
    expect(document.querySelector(".queue-row__wait")?.textContent).toBe("23 min");
  });

  it("draws three hundred and counts the rest", () => {
    draw(<ClinicApp />, state({ queue: f.threeHundred() }));
    expect(screen.getAllByTestId("queue-row").length).toBe(300);
    expect(screen.getByText("and 41 more")).toBeTruthy();
  }, 60_000);

  it("draws a line anew once a minute, not whenever a level moves", () => {
    const drawn = vi.spyOn(times, "waitedShort");
    const { session } = draw(<ClinicApp />, state({ local: f.open("clinician") }));
    const first = drawn.mock.calls.length;
    expect(first).toBeGreaterThan(0);
    const local = f.open("clinician");
    for (const level of [0.1, 0.2, 0.3]) act(() => session.finish({ local: { ...local, microphone: { ...local.microphone, level } } }));
    expect(drawn.mock.calls.length).toBe(first);
  });
});

describe("an arrival", () => {
  const before = f.queue(f.waiting.slice(0, 2));

  it("is heard and said; those who were there when the page opened are not", () => {
    const { session } = draw(<ClinicApp />, state({ queue: before }));
    expect(rings).toBe(0);
    act(() => session.finish({ queue: f.queue(f.waiting) }));
    expect(rings).toBe(1);
    expect(screen.getByTestId("live-polite").textContent).toMatch(/Ingrid Sørensen is waiting/);
    expect(document.title).toBe("(3) Waiting room");
    act(() => session.finish({ queue: f.queue([...f.waiting]) }));
    expect(rings).toBe(1);
  });

  it("rings once for a rush", () => {
    const { session } = draw(<ClinicApp />, state({ queue: f.queue([]) }));
    for (const many of [1, 2, 3]) act(() => session.finish({ queue: f.queue(f.waiting.slice(0, many)) }));
    expect(rings).toBe(1);
  });

  it("is silent when the sound is off", () => {
    const { session } = draw(<ClinicApp />, state({ queue: before }));
    fireEvent.click(screen.getByTestId("alerts"));
    act(() => session.finish({ queue: f.queue(f.waiting) }));
    expect(rings).toBe(0);
    expect(localStorage.getItem("telehealth.alerts")).toBe("off");
  });

  it("names nobody in a notification", () => {
    const shown = vi.fn();
    class Notified extends EventTarget {
      static permission = "granted";
      constructor(...words: unknown[]) {
        super();
        shown(...words);
      }
    }
    vi.stubGlobal("Notification", Notified);
    vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    const { session } = draw(<ClinicApp />, state({ queue: before }));
    act(() => session.finish({ queue: f.queue(f.waiting) }));
    expect(shown).toHaveBeenCalledTimes(1);
    expect(JSON.stringify(shown.mock.calls)).not.toMatch(/Ingrid|Sørensen|Rash/);
  });
});

it("says that a waiting patient wrote, marks the line, and moves no focus", () => {
  const said = { ...f.chat[1], from: "visit-2-p", text: "I am here" } as (typeof f.chat)[number];
  const { session } = draw(<ClinicApp />, state({ chat: { "visit-2": [] } }));
  row("visit-1").focus();
  act(() => session.finish({ chat: { "visit-2": [said] } }));
  expect(screen.getByTestId("live-polite").textContent).toMatch(/New message from Jonathan Okafor/);
  expect(row("visit-2").textContent).toMatch(/1 message/);
  expect(document.activeElement).toBe(row("visit-1"));
  fireEvent.click(row("visit-2"));
  expect(row("visit-2").textContent).not.toMatch(/1 message/);
});

describe("who is it", () => {
  it("holds what comes and goes by itself below what is pressed, so that nothing moves under the finger", () => {
    draw(<ClinicApp />, state({ queue: f.longNames() }));
    fireEvent.click(row("visit-2"));
    const who = within(screen.getByTestId("who"));
    const pressed = screen.getByTestId("admit");
    for (const changing of [who.getByText(/lost the connection/), who.getByText("Talks by"), who.getByText("Their devices")])
      expect(pressed.compareDocumentPosition(changing)).toBe(Node.DOCUMENT_POSITION_FOLLOWING);
  });

  it("takes the focus to the name", () => {
    draw(<ClinicApp />, state());
    fireEvent.click(row("visit-2"));
    expect(document.activeElement).toBe(screen.getByRole("heading", { name: "Jonathan Okafor" }));
  });

  it("admits nobody whose two identifiers were not confirmed", async () => {
    const { session } = draw(<ClinicApp />, state());
    fireEvent.click(row("visit-1"));
    fireEvent.click(screen.getByTestId("admit"));
    expect(session.admit).not.toHaveBeenCalled();
    expect(screen.getByText(/First ask for name and date of birth/)).toBeTruthy();
    expect(document.activeElement).toBe(screen.getByTestId("confirm-name"));
    fireEvent.click(screen.getByTestId("confirm-name"));
    alt("KeyA");
    expect(session.admit).not.toHaveBeenCalled();
    fireEvent.click(screen.getByTestId("confirm-birth"));
    await act(async () => alt("KeyA"));
    expect(session.admit).toHaveBeenCalledExactlyOnceWith("visit-1");
  });

  it("confirms each person for themselves", () => {
    draw(<ClinicApp />, state());
    fireEvent.click(row("visit-1"));
    fireEvent.click(screen.getByTestId("confirm-name"));
    fireEvent.click(row("visit-2"));
    expect(screen.getByTestId<HTMLInputElement>("confirm-name").checked).toBe(false);
    fireEvent.click(row("visit-1"));
    expect(screen.getByTestId<HTMLInputElement>("confirm-name").checked).toBe(true);
  });

  it("does not listen to keys that were turned off", async () => {
    localStorage.setItem("telehealth.keys", "off");
    const { session } = draw(<ClinicApp />, state());
    fireEvent.click(row("visit-1"));
    fireEvent.click(screen.getByTestId("confirm-name"));
    fireEvent.click(screen.getByTestId("confirm-birth"));
    await act(async () => alt("KeyA"));
    expect(session.admit).not.toHaveBeenCalled();
  });

  it("refuses only with a reason, and the patient's reason is the one written", async () => {
    const { session } = draw(<ClinicApp />, state());
    fireEvent.click(row("visit-1"));
    fireEvent.click(screen.getByTestId("deny"));
    await act(async () => fireEvent.click(screen.getByTestId("confirm-deny")));
    expect(session.deny).not.toHaveBeenCalled();
    fireEvent.change(screen.getByTestId("deny-reason"), { target: { value: " Come in person. " } });
    await act(async () => fireEvent.click(screen.getByTestId("confirm-deny")));
    expect(session.deny).toHaveBeenCalledExactlyOnceWith("visit-1", "Come in person.");
  });

  it("asks for the identifiers by message", () => {
    const { session } = draw(<ClinicApp />, state());
    fireEvent.click(row("visit-2"));
    fireEvent.click(screen.getByTestId("ask-identity"));
    expect(session.chat).toHaveBeenCalledExactlyOnceWith("visit-2", "Please write your full name and date of birth.");
  });
});

describe("the call", () => {
  it("keeps the queue in sight, and admits nobody else meanwhile", () => {
    draw(<ClinicApp />, talking());
    const strip = screen.getByTestId("queue-strip");
    expect(within(strip).getAllByTestId("queue-row").map((one) => one.textContent)).toEqual(["6 min Jonathan Okafor ", "<1 min Ingrid Sørensen "]);
    fireEvent.click(row("visit-2"));
    expect(screen.getByText(/You are in a call/)).toBeTruthy();
    expect(screen.queryByTestId("admit")).toBeNull();
    expect(screen.getByTestId("remote-video")).toBeTruthy();
  });

  it("ends with what was chosen, after one question", async () => {
    const { session } = draw(<ClinicApp />, talking());
    alt("KeyL");
    expect(screen.getByRole("dialog", { name: "End the visit?" })).toBeTruthy();
    fireEvent.click(screen.getByTestId("choose-technical-failure"));
    await act(async () => fireEvent.click(screen.getByTestId("confirm-end")));
    expect(session.end).toHaveBeenCalledExactlyOnceWith("visit-1", "technical-failure");
  });

  it("closes with the outcome and who is next", () => {
    const { session } = draw(<ClinicApp />, talking());
    const ended = { is: "ended", at: f.NOW, outcome: "done", reason: null } as const;
    act(() => session.finish({ visit: null, queue: f.queue([...f.waiting.slice(1), f.entry("visit-1", "Marisol Vega", "", ended)]) }));
    expect(screen.getByTestId("closed").textContent).toMatch(/The visit with Marisol Vega has ended.*Recorded: done.*7 min/);
    fireEvent.click(screen.getByTestId("open-next"));
    expect(screen.getByRole("heading", { name: "Jonathan Okafor" })).toBeTruthy();
  });

  it("answers who asks to share", () => {
    const { session } = draw(<ClinicApp />, talking({ visit: f.visit({ phase: f.inCall, shareRequests: ["patient"] }) }));
    const grant = vi.spyOn(session, "grantShare");
    fireEvent.click(screen.getByTestId("grant-share"));
    expect(grant).toHaveBeenCalledExactlyOnceWith("patient");
  });
});

it("invites a patient and hands over the link", async () => {
  const { session } = draw(<ClinicApp />, state());
  fireEvent.click(screen.getByTestId("invite"));
  fireEvent.click(screen.getByTestId("invite-make"));
  expect(session.invite).not.toHaveBeenCalled();
  fireEvent.change(screen.getByTestId("invite-name"), { target: { value: "Ana Ruiz" } });
  fireEvent.change(screen.getByTestId("invite-reason"), { target: { value: "Cough" } });
  await act(async () => fireEvent.click(screen.getByTestId("invite-make")));
  expect(session.invite).toHaveBeenCalledExactlyOnceWith("Ana Ruiz", "Cough");
  expect(screen.getByTestId<HTMLInputElement>("invite-link").value).toMatch(/^https:.*#k=/);
});

describe("nothing for axe to find", () => {
  // The photographer examines every state in a real browser; these are for the minute before.
  const examined = views.filter(({ id }) => /^clinic-(queue|queue-no-names|empty|call|call-share-request)$/.test(id));
  it.each(examined.map((view) => [view.id, view] as const))("in %s", async (_id, view) => {
    const { container } = draw(<ClinicApp />, view.state());
    await expectAccessible(container);
  });
});

describe("what is saved and not recorded yet", () => {
  const line = () => screen.queryByTestId("unrecorded");
  const until = (ms: number) => act(() => vi.advanceTimersByTime(ms));
  beforeEach(() => {
    vi.useFakeTimers();
    return () => vi.useRealTimers();
  });

  it("is a quiet line that comes when it lasts and goes by itself", () => {
    const { session } = draw(<ClinicApp />, state());
    expect(line()).toBeNull();
    act(() => session.finish({ queue: f.unrecorded() }));
    until(LASTING - 1);
    expect(line()).toBeNull();
    until(1);
    expect(line()?.textContent).toContain("Saved, not yet recorded");
    expect(screen.getByTestId("live-polite").textContent).toContain("recorded by itself");
    act(() => session.finish({ queue: f.everybody() }));
    expect(line()).toBeNull();
    expect(screen.getByTestId("live-polite").textContent).toContain("Everything is recorded");
  });

  it("is not said of a moment", () => {
    const { session } = draw(<ClinicApp />, state());
    act(() => session.finish({ queue: f.unrecorded() }));
    until(LASTING - 1);
    act(() => session.finish({ queue: f.everybody() }));
    until(10 * LASTING);
    expect(line()).toBeNull();
    expect(screen.getByTestId("live-polite").textContent).toBe("");
  });

  it("is said at once by a page that is opened meanwhile, in the call too, and marks the words it is true of", () => {
    const { container } = draw(<ClinicApp />, talking({ queue: f.unrecorded(talking().queue ?? undefined), chat: { "visit-1": f.chat } }));
    expect(line()?.textContent).toBe("Saved, not yet recorded");
    fireEvent.click(screen.getByTestId("chat"));
    const marks = [...container.querySelectorAll('[data-testid="chat-message"]')].map((one) => one.querySelector(".chat__mark")?.textContent);
    expect(marks).toEqual([undefined, undefined, "not yet recorded"]);
  });

  it("does not call an outcome recorded that is not", () => {
    const { session } = draw(<ClinicApp />, talking());
    const over = f.entry("visit-1", "Marisol Vega", "", { is: "ended", at: f.NOW, outcome: "done", reason: null });
    act(() => session.finish({ visit: null, queue: f.unrecorded(f.queue([over])) }));
    expect(screen.getByTestId("closed").textContent).toContain("Saved, not yet recorded: done");
    act(() => session.finish({ queue: f.queue([over]) }));
    expect(screen.getByTestId("closed").textContent).toContain("Recorded: done");
  });

  it("stands nowhere in the way of who uses no eyes", async () => {
    vi.useRealTimers();
    const { container } = draw(<ClinicApp />, state({ queue: f.unrecorded() }));
    await expectAccessible(container);
  });

  it("is why nobody can be invited, which the dialog says itself", () => {
    const { session } = draw(<ClinicApp />, state({ queue: f.unrecorded() }));
    fireEvent.click(screen.getByTestId("invite"));
    act(() => session.finish({ problem: { code: "unavailable", reference: "UNAVAILABLE-7F2K" } }));
    expect(screen.getByTestId("dialog-problem").textContent).toContain("New visits cannot be added right now");
  });
});
