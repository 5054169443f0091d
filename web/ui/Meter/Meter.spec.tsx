import { render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { Meter } from "./Meter";

it.each([
  [0, 0],
  [0.5, 7],
  [1, 14],
  [7, 14],
  [-1, 0],
])("at level %d lights %d bars", (level, bars) => {
  const { container } = render(<Meter level={level} label="Level" />);
  expect(container.querySelectorAll(".meter__bar--lit").length).toBe(bars);
  expect(screen.getByRole("meter").getAttribute("aria-valuenow")).toBe(String(Math.round((bars / 14) * 100)));
});
