// @vitest-environment jsdom
import { fireEvent, screen, within } from "@testing-library/react";
import { beforeEach, describe, expect, it } from "vitest";
import { startWords } from "../i18n";
import { staffPacks } from "../i18n/packs/staff";
import "../ui/testing/setup";
import { draw } from "./testing/draw";

beforeEach(() => startWords(staffPacks, "en"));
const button = (name: string | RegExp) => screen.findByRole("button", { name });

describe("keys of other systems", () => {
  it("say what each opens, from where and until when, and which end soon", async () => {
    draw("systems");
    const [laboratory, billing, register] = (await screen.findAllByTestId("system")).map((card) => card.textContent);
    for (const words of ["Works", "Visits that are over", "192.0.2.0/24, 2001:db8::/32", "by Ines Costa"]) expect(laboratory).toContain(words);
    expect(laboratory).not.toMatch(/left/);
    expect(billing).toMatch(/5 days left.*anywhere/);
    expect(register).toContain("Its last day is over");
    expect(screen.getAllByRole("button", { name: /^Revoke the key/ }).length).toBe(2);
  });

  it("are looked at by auditors, who make and revoke none", async () => {
    draw("systems-looking");
    await screen.findAllByTestId("system");
    expect(screen.queryByRole("button", { name: /key/ })).toBeNull();
  });

  it("are made of a name and something ticked, each line a network, and are shown once", async () => {
    const { sent } = draw("systems-made");
    fireEvent.click(await button("Make a key"));
    fireEvent.click(await button("Make the key"));
    expect(screen.getByText("Please fill this in.")).toBeTruthy();
    expect(screen.getByText("Tick at least one.")).toBeTruthy();
    fireEvent.change(screen.getByLabelText("Name of the system"), { target: { value: " Lakeside laboratory " } });
    fireEvent.click(screen.getByLabelText(/Visits that are over/));
    fireEvent.change(screen.getByLabelText("From which networks"), { target: { value: "192.0.2.0/24\n\n2001:db8::/32 " } });
    fireEvent.click(await button("Make the key"));
    expect(((await screen.findByLabelText("Key")) as HTMLInputElement).value).toMatch(/^thp_/);
    expect(sent("POST /api/v1/partner-keys")).toEqual([
      { name: "Lakeside laboratory", scopes: ["visits:read"], networks: ["192.0.2.0/24", "2001:db8::/32"], days: 90 },
    ]);
    fireEvent.click(await button("I have copied it"));
    expect(screen.queryByLabelText("Key")).toBeNull();
  });

  it("are revoked after a question, and the list says so", async () => {
    draw("systems", { answers: { "DELETE /api/v1/partner-keys/k1": {} } });
    fireEvent.click(await button("Revoke the key of Lakeside laboratory"));
    fireEvent.click(within(await screen.findByRole("dialog")).getByRole("button", { name: "Revoke it" }));
    const card = (await screen.findByRole("heading", { name: "Lakeside laboratory" })).closest("article") as HTMLElement;
    await within(card).findByText("Revoked", { selector: ".system__state" });
    expect(screen.queryByRole("button", { name: "Revoke the key of Lakeside laboratory" })).toBeNull();
    expect(screen.getByTestId("live-polite").textContent).toContain("is revoked");
  });
});
