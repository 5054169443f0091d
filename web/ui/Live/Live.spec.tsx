import { act, render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { LiveRegion, useAnnounce } from "./Live";

let announce: ReturnType<typeof useAnnounce> = () => undefined;
function Speaker() {
  announce = useAnnounce();
  return null;
}

it("is in the page before there is anything to say", () => {
  render(
    <LiveRegion>
      <Speaker />
    </LiveRegion>,
  );
  expect(screen.getByRole("status").textContent).toBe("");
  expect(screen.getByRole("alert").textContent).toBe("");
});

it("waits its turn, unless it cannot wait", () => {
  render(
    <LiveRegion>
      <Speaker />
    </LiveRegion>,
  );
  act(() => announce("2 people before you"));
  expect(screen.getByRole("status").textContent).toBe("2 people before you");
  expect(screen.getByRole("alert").textContent).toBe("");
  act(() => announce("You can go in now", "assertive"));
  expect(screen.getByRole("alert").textContent?.trim()).toBe("You can go in now");
});

it("says the same words again as news", () => {
  render(
    <LiveRegion>
      <Speaker />
    </LiveRegion>,
  );
  act(() => announce("New message"));
  const first = screen.getByRole("status").textContent;
  act(() => announce("New message"));
  expect(screen.getByRole("status").textContent).not.toBe(first);
  expect(screen.getByRole("status").textContent?.trim()).toBe("New message");
});
