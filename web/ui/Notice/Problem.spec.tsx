import { render, screen } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { ErrorCode } from "../../protocol/generated";
import type { DeviceFault } from "../../call/session";
import { hasWords } from "../../i18n";
import { Problem } from "./Problem";

it("says what happened, what it means, what to do, and a reference", () => {
  render(<Problem code="camera-blocked" reference="CAM-BLOCKED-7F2K" />);
  for (const words of [/is blocking the camera/, /can still talk and listen/, /choose Allow/, /CAM-BLOCKED-7F2K/]) {
    expect(screen.getByText(words)).toBeTruthy();
  }
});

it("has words even for what it never heard of", () => {
  render(<Problem code="from-the-future" />);
  expect(screen.getByText("Something went wrong on our side")).toBeTruthy();
  expect(screen.getByText(/FROM-THE-FUTURE/)).toBeTruthy();
});

describe("the catalogue", () => {
  // Records, so that a new code in the protocol is a compile error here.
  const codes: Record<ErrorCode, true> = {
    "not-authorized": true,
    "not-allowed": true,
    "not-found": true,
    "wrong-state": true,
    replaced: true,
    "bad-message": true,
    "message-too-long": true,
    "offer-too-large": true,
    "offer-invalid": true,
    "text-invalid": true,
    "too-many-requests": true,
    full: true,
    unavailable: true,
    restarting: true,
    internal: true,
  };
  const faults: Record<DeviceFault, true> = { blocked: true, busy: true, missing: true, "in-app-browser": true, insecure: true, unknown: true };

  it.each(Object.keys(codes))("has %s", (code) => {
    for (const part of ["what", "means", "do"]) expect(hasWords(`problem.${code}.${part}`)).toBe(true);
  });

  it.each(Object.keys(faults))("has the device fault %s", (fault) => {
    const whole = fault === "in-app-browser" || fault === "insecure";
    for (const code of whole ? [fault] : [`camera-${fault}`, `microphone-${fault}`]) {
      for (const part of ["what", "means", "do"]) expect(hasWords(`problem.${code}.${part}`), code).toBe(true);
    }
  });
});
