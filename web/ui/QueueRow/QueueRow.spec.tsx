import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import { entry, good, waitingPhase } from "../../gallery/fixtures";
import { QueueRow } from "./QueueRow";

const MINUTE = 60_000;
const row = { waited_ms: 18 * MINUTE, away_ms: null, first: false, selected: false, unread: 0, onSelect: () => undefined };
const waits = (change = {}) => entry("v", "Marisol Vega", "Knee", waitingPhase(18, 0), change);

it("says how long, who and why, in this order", () => {
  render(<QueueRow {...row} first entry={waits()} />);
  expect(screen.getByRole("button").textContent).toMatch(/^18 min Longest Marisol Vega.*Knee/);
});

it("names the trouble before what is well", () => {
  render(<QueueRow {...row} entry={waits({ devices: { ...good, camera: "blocked", network: "weak" } })} />);
  const parts = screen.getAllByRole("listitem").slice(1).map((part) => part.textContent);
  expect(parts).toEqual(["Picture blocked", "Network weak", "Sound good"]);
});

it("says that somebody is away, and that the place is kept", () => {
  render(<QueueRow {...row} away_ms={3 * MINUTE} entry={waits({ connected: false })} />);
  expect(screen.getByText("Lost connection 3 min ago. The place is kept.")).toBeTruthy();
  expect(screen.queryByText(/Sound/)).toBeNull();
});

it("is new for a minute", () => {
  const { rerender } = render(<QueueRow {...row} waited_ms={0} entry={waits()} />);
  expect(screen.getByText("New")).toBeTruthy();
  rerender(<QueueRow {...row} waited_ms={MINUTE} entry={waits()} />);
  expect(screen.queryByText("New")).toBeNull();
});

it("has something to call a person without a name", () => {
  render(<QueueRow {...row} entry={entry("v", "", "", waitingPhase(1, 0))} />);
  expect(screen.getByText("Name not given")).toBeTruthy();
});

it("is chosen by pressing it, and says that it is", () => {
  const select = vi.fn();
  const { rerender } = render(<QueueRow {...row} entry={waits()} onSelect={select} />);
  fireEvent.click(screen.getByTestId("queue-row"));
  expect(select).toHaveBeenCalledWith("v");
  rerender(<QueueRow {...row} selected entry={waits()} onSelect={select} />);
  expect(screen.getByTestId("queue-row").getAttribute("aria-current")).toBe("true");
});
