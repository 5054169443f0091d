import { render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { ClinicHeader } from "./ClinicHeader";

it("has the clinic's name, and its number to call", () => {
  render(<ClinicHeader clinic={{ name: "Riverside", phone: "+1 (555) 0100" }} />);
  expect(screen.getByText("Riverside")).toBeTruthy();
  expect(screen.getByRole("link", { name: "Call +1 (555) 0100" }).getAttribute("href")).toBe("tel:+15550100");
});

it("shows no number where there is none, and none to staff", () => {
  const { rerender } = render(<ClinicHeader clinic={{ name: "Riverside", phone: "" }} />);
  expect(screen.queryByRole("link")).toBeNull();
  rerender(<ClinicHeader clinic={{ name: "Riverside", phone: "555" }} help={false} />);
  expect(screen.queryByRole("link")).toBeNull();
});
