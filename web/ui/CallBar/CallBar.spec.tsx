import { fireEvent, render, screen } from "@testing-library/react";
import { Mic } from "lucide-react";
import { expect, it, vi } from "vitest";
import { CallBar, CallButton } from "./CallBar";

it("has its state in its name", () => {
  const press = vi.fn();
  const { rerender } = render(<CallButton icon={Mic} word="Sound" state="on" testId="sound" onClick={press} />);
  fireEvent.click(screen.getByRole("button", { name: "Sound on" }));
  rerender(<CallButton icon={Mic} word="Sound" state="off" look="off" testId="sound" onClick={press} />);
  expect(screen.getByRole("button", { name: "Sound off" })).toBe(screen.getByTestId("sound"));
  expect(press).toHaveBeenCalledTimes(1);
});

it("is a named region", () => {
  render(
    <CallBar>
      <CallButton icon={Mic} word="Sound" testId="sound" />
    </CallBar>,
  );
  expect(screen.getByRole("region", { name: "Call controls" })).toBeTruthy();
});
