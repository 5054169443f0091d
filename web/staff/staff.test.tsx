// @vitest-environment jsdom
import { act, fireEvent, render, screen, within } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { fakeStaff } from "../gallery/staff";
import { staffViews } from "../gallery/staffViews";
import { startWords } from "../i18n";
import { shared } from "../i18n/en/shared";
import { oversight } from "../i18n/en/oversight";
import { staff } from "../i18n/en/staff";
import { trail } from "../i18n/en/trail";
import "../ui/testing/setup";
import { LiveRegion } from "../ui/Live/Live";
import { StaffProvider } from "./context";
import { draw, pageOf } from "./testing/draw";

const words = { ...shared, ...staff, ...trail, ...oversight };
beforeEach(() => startWords({ en: () => Promise.resolve(words), es: () => Promise.resolve(words) }, "en"));

const write = (label: string | RegExp, value: string) => fireEvent.change(screen.getByLabelText(label), { target: { value } });
const press = (name: string | RegExp) => fireEvent.click(screen.getByRole("button", { name }));

/** Both factors, from the first page. */
async function signsIn() {
  write("E-mail address", " ines.costa@riverside.example ");
  write("Password", "correct horse battery");
  press("Continue");
  fireEvent.change(await screen.findByLabelText("Six digits"), { target: { value: "123 456" } });
  press("Sign in");
}

describe("the clinic's name", () => {
  it("is asked for by a browser that never heard it, and once heard it is not", async () => {
    localStorage.clear();
    const view = staffViews.find((one) => one.page.is === "sign-in");
    if (view === undefined) throw new Error("no view");
    const clinic = vi.fn(() => Promise.resolve("Lakeside"));
    const place = { session: fakeStaff(view), go: vi.fn(), clinic };
    const page = () => render(<StaffProvider value={place}><LiveRegion>{pageOf(view.page)}</LiveRegion></StaffProvider>);
    const first = page();
    expect(await screen.findByText("Lakeside")).toBeTruthy();
    first.unmount();
    localStorage.setItem("telehealth.clinic", "Riverside");
    page();
    expect(screen.getByText("Riverside")).toBeTruthy();
    expect(clinic).toHaveBeenCalledTimes(1);
    localStorage.clear();
  });
});

describe("signing in", () => {
  const second = (roles: string[]) => ({ ...(staffViews.find(({ id }) => id === "staff-admin")?.answers["POST /api/v1/auth/renew"] as object), person: { id: "p", name: "Ines", email: "i@r.example", roles, duties: [] } });
  const page = (query: string) => ({ is: "sign-in", query }) as const;
  const answers = (roles: string[]) => ({ "POST /api/v1/auth/second": second(roles) });

  it.each([
    ["to=/clinic?room=2", ["clinician"], "/clinic?room=2"],
    ["", ["administrator"], "/admin"],
    ["to=https://evil.example/", ["administrator"], "/admin"],
    ["to=//evil.example/", ["auditor"], "/admin"],
  ])("with %s leads %j to %s", async (query, roles, to) => {
    const { go } = draw("sign-in", { page: page(query), answers: answers(roles) });
    await signsIn();
    await vi.waitFor(() => expect(go.mock.calls).toEqual([[to]]));
  });

  it("leads nobody anywhere whose role has no page", async () => {
    const { go } = draw("sign-in", { page: page("to=//evil.example"), answers: answers(["scheduler"]) });
    await signsIn();
    await screen.findByText("You are signed in");
    expect(go).not.toHaveBeenCalled();
  });

  it("says beside the field what is wrong, and lets the password be seen and pasted", async () => {
    draw("sign-in-failed");
    press("Continue");
    const field = screen.getByLabelText("Password");
    expect(field.getAttribute("aria-invalid")).toBe("true");
    write("E-mail address", "a@b.c");
    write("Password", "wrong");
    press("Continue");
    await screen.findByText(/is not right/);
    expect(document.getElementById(field.getAttribute("aria-describedby") ?? "")?.textContent).toContain("is not right");
    expect(field.getAttribute("type")).toBe("password");
    press("Show password");
    expect(field.getAttribute("type")).toBe("text");
    expect(fireEvent.paste(field)).toBe(true);
    expect(field.getAttribute("autocomplete")).toBe("current-password");
    expect(screen.getByLabelText("E-mail address").getAttribute("autocomplete")).toBe("username webauthn");
  });

  it("begins again with the reason when the ticket is over", async () => {
    draw("sign-in-begin-again");
    await signsIn();
    await screen.findByText("This took longer than ten minutes");
    expect((screen.getByLabelText("E-mail address") as HTMLInputElement).value).toContain("ines.costa");
    expect((screen.getByLabelText("Password") as HTMLInputElement).value).toBe("");
  });
});

describe("joining", () => {
  it("goes back to the password that everybody guesses, and says so", async () => {
    draw("join-password-refused");
    fireEvent.change(await screen.findByLabelText("New password"), { target: { value: "password12" } });
    press("Continue");
    fireEvent.change(screen.getByLabelText(/Six digits/), { target: { value: "123456" } });
    press("Connect");
    await screen.findByText(/easily guessed/);
    expect(screen.getByLabelText("New password").getAttribute("autocomplete")).toBe("new-password");
  });

  it("demands nothing of a password but its length", async () => {
    draw("join");
    fireEvent.change(await screen.findByLabelText("New password"), { target: { value: "ninechars" } });
    press("Continue");
    screen.getByText("This has 9 of at least 10 characters.");
    write("New password", "ten chars!");
    press("Continue");
    screen.getByText("Connect an authenticator app");
  });
});

describe("people", () => {
  it("are out of reach while it is locked, and as they were afterwards", async () => {
    const { session } = draw("admin");
    fireEvent.click(await screen.findByRole("button", { name: "Dr Amara Lee" }));
    const box = screen.getByRole("checkbox", { name: /Interpreter/ });
    fireEvent.click(box);
    box.focus();
    await act(() => session.lock());
    expect(screen.getByTestId("behind").hidden && screen.getByTestId("behind").hasAttribute("inert")).toBe(true);
    expect(screen.queryByRole("table")).toBeNull();
    const lock = within(screen.getByTestId("lock"));
    fireEvent.change(lock.getByTestId("password"), { target: { value: "correct horse battery" } });
    fireEvent.click(lock.getByRole("button", { name: "Unlock" }));
    await screen.findByRole("table");
    expect(document.activeElement).toBe(box);
    expect((box as HTMLInputElement).checked).toBe(true);
  });

  it("are left for the sign-in page, with the way back, when the session is over", async () => {
    const { go } = draw("admin", { answers: { "POST /api/v1/auth/renew": { problem: "signed-out", status: 401, ending: "expired" } as object } });
    await vi.waitFor(() => expect(go).toHaveBeenCalledWith("/sign-in?to=%2F&ended=expired"));
  });

  it("are not changed by who does not confirm", async () => {
    draw("admin-confirm");
    fireEvent.click(await screen.findByRole("button", { name: "Dr Amara Lee" }));
    fireEvent.click(screen.getByRole("checkbox", { name: /Interpreter/ }));
    press("Save roles");
    const dialog = within(await screen.findByRole("dialog"));
    fireEvent.click(dialog.getByRole("button", { name: "Cancel" }));
    await vi.waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    // Their own decision is no trouble, and what they had ticked is still there.
    expect(document.querySelector(".notice")).toBeNull();
    expect((screen.getByRole("checkbox", { name: /Interpreter/ }) as HTMLInputElement).checked).toBe(true);
  });

  it("are asked about once in words before somebody is let in no more", async () => {
    draw("admin", { answers: { "PATCH /api/v1/people/p2": { id: "p2", name: "Dr Amara Lee", email: "a@r.example", roles: ["clinician"], duties: [], state: "disabled" } } });
    fireEvent.click(await screen.findByRole("button", { name: "Dr Amara Lee" }));
    press("Let in no more…");
    const dialog = within(screen.getByRole("dialog"));
    dialog.getByText(/signed out everywhere within seconds/);
    fireEvent.click(dialog.getByRole("button", { name: "Let in no more" }));
    await screen.findByRole("button", { name: "Let in again…" });
    expect(screen.getByTestId("live-polite").textContent).toContain("Dr Amara Lee is let in no more");
  });

  it("can be looked at by an auditor, who changes nothing", async () => {
    draw("admin-auditor");
    fireEvent.click(await screen.findByRole("button", { name: "Dr Amara Lee" }));
    expect(screen.queryByRole("checkbox")).toBeNull();
    for (const name of [/Invite/, /Let in/]) expect(screen.queryByRole("button", { name })).toBeNull();
  });
});

describe("status", () => {
  const verdict = () => screen.findByTestId("verdict");

  it("is what is seen first, in one sentence, and says when it was looked at", async () => {
    draw("status", { page: { is: "admin" } });
    expect((await verdict()).textContent).toMatch(/Everything works.*Looked at/s);
    expect(screen.getByTestId("counts").textContent).toContain("longest wait: 18 min");
    expect(screen.getByRole("link", { name: "Status" }).getAttribute("aria-current")).toBe("page");
  });

  it("says what it means for visits, the worst first", async () => {
    draw("status-worst");
    expect((await verdict()).textContent).toContain("9 things need attention");
    const tones = [...document.querySelectorAll<HTMLElement>(".part")].map(({ dataset }) => dataset["tone"]);
    expect(tones).toEqual([...tones].sort((one, other) => ["danger", "attention", "good"].indexOf(one ?? "") - ["danger", "attention", "good"].indexOf(other ?? "")));
    screen.getByText(/2 things that were saved/);
    screen.getByText(/cannot be counted/);
  });

  it("does not worry anybody about a database that is away while visits go on", async () => {
    draw("status-database-away");
    expect((await verdict()).getAttribute("data-tone")).toBe("attention");
    screen.getByText(/Nothing is lost/);
  });

  it("shows what was seen last when it cannot be looked at, and says so", async () => {
    draw("status-stale");
    await verdict();
    press("Look again");
    await screen.findByText(/At .* it was: Everything works/);
    expect((await verdict()).getAttribute("data-tone")).toBe("attention");
    expect(screen.getAllByRole("button", { name: "Try again" })).toHaveLength(1);
  });

  it("is looked at by itself, and not while nobody can see it", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const { session } = draw("status");
    const asks = vi.spyOn(session, "ask");
    await verdict();
    const asked = () => asks.mock.calls.filter(([{ path }]) => path === "/api/v1/status").length;
    const before = asked();
    const hidden = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
    await act(() => vi.advanceTimersByTimeAsync(30_000));
    expect(asked()).toBe(before);
    hidden.mockRestore();
    await act(() => vi.advanceTimersByTimeAsync(10_000));
    expect(asked()).toBe(before + 1);
    vi.useRealTimers();
  });

  it("leads who keeps the platform running to it, and shows them nothing else", async () => {
    draw("status-operations");
    await verdict();
    expect(screen.queryByRole("navigation", { name: "Sections" })).toBeNull();
    expect(screen.queryByRole("link", { name: /emergencies/ })).toBeNull();
  });
});

describe("finding people", () => {
  const rows = () => screen.getAllByTestId("person").length;

  it("looks through every page, and says when it has", async () => {
    const page = (from: number, next: string | null) => ({
      people: Array.from({ length: 50 }, (_, at) => ({ id: `n${from + at}`, name: `Person ${from + at}`, email: `n${from + at}@r.example`, roles: ["scheduler"], duties: [], state: "active" })),
      next,
    });
    const { session } = draw("admin", { answers: { "GET /api/v1/people?": [page(0, "n49"), page(50, "n99"), page(100, null)] } });
    const asks = vi.spyOn(session, "ask");
    await screen.findByText("Person 0");
    const asked = () => asks.mock.calls.filter(([{ path }]) => path.startsWith("/api/v1/people?")).length;
    const before = asked();
    write("Name or e-mail", "person 14");
    await vi.waitFor(() => expect(screen.getByTestId("found").textContent).toBe("12 of 150"));
    expect([rows(), asked() - before]).toEqual([12, 2]);
    expect(screen.queryByTestId("more")).toBeNull();
  });

  it("sorts by what is chosen, and says by which column", async () => {
    draw("admin");
    await screen.findByText("Dr Amara Lee");
    write("In the order of", "state");
    expect(screen.getAllByTestId("person")[0]?.textContent).toContain("Jonas Weber");
    expect(screen.getByRole("columnheader", { name: "State" }).getAttribute("aria-sort")).toBe("ascending");
  });

  it("says that nobody is called so, and shows everybody again", async () => {
    draw("admin");
    await screen.findByText("Dr Amara Lee");
    write("Name or e-mail", "zebedee");
    screen.getByText("Nobody here is called that");
    press("Show everybody");
    expect(rows()).toBe(6);
  });

  it("keeps what it has found when a page does not come, and goes on when asked to", async () => {
    draw("admin-search-failed");
    await screen.findByText("person.1@riverside.example");
    write("Name or e-mail", "nowak");
    await screen.findByRole("button", { name: "Try again" });
    expect(rows()).toBeGreaterThan(0);
    expect(screen.getByTestId("found").textContent).toMatch(/There are more people/);
  });
});

describe("the clinic's settings", () => {
  it("are saved as what changed, if they still are what was seen", async () => {
    const { session } = draw("unit");
    await screen.findByLabelText("Name");
    const asks = vi.spyOn(session, "askTagged");
    expect(screen.queryByRole("button", { name: "Save" })).toBeNull();
    write("Name", " Lakeside Hospital ");
    press("Save");
    await vi.waitFor(() => expect(screen.getByTestId("live-polite").textContent).toContain("Saved"));
    expect(asks.mock.calls[0]?.[0]).toMatchObject({ method: "PATCH", body: { name: "Lakeside Hospital" } });
    expect((screen.getByLabelText("Name") as HTMLInputElement).value).toBe("Lakeside Hospital");
  });

  it("show what somebody else has made of them", async () => {
    draw("unit-meanwhile");
    await screen.findByLabelText("Name");
    write("Name", "Lakeside Hospital");
    press("Save");
    await screen.findByText("Somebody has changed this meanwhile");
    press("See what it is now");
  });

  it("cannot be changed by an auditor", async () => {
    draw("unit-auditor");
    await screen.findAllByTestId("fact");
    expect(screen.queryByRole("textbox")).toBeNull();
  });
});
