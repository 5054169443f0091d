import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import { Button } from "./Button";

it("presses once, and not at all while it works", () => {
  const press = vi.fn();
  const { rerender } = render(<Button onClick={press}>Admit</Button>);
  fireEvent.click(screen.getByRole("button", { name: "Admit" }));
  rerender(
    <Button onClick={press} busy>
      Admit
    </Button>,
  );
  fireEvent.click(screen.getByRole("button"));
  expect(press).toHaveBeenCalledTimes(1);
});

it("keeps its focus while it works", () => {
  const { rerender } = render(<Button>Admit</Button>);
  screen.getByRole("button").focus();
  rerender(<Button busy>Admit</Button>);
  expect(document.activeElement).toBe(screen.getByRole("button"));
  expect(screen.getByRole("button").getAttribute("aria-disabled")).toBe("true");
});

it("submits nothing unless told to", () => {
  render(<Button>Admit</Button>);
  expect(screen.getByRole("button").getAttribute("type")).toBe("button");
});
