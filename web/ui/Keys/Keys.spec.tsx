import { fireEvent, render } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import { useKeys } from "./useKeys";

function Page({ on, mute, help }: { on: boolean; mute: () => void; help: () => void }) {
  useKeys(on, { KeyM: mute }, help);
  return <input />;
}

function keys(on = true) {
  const mute = vi.fn();
  const help = vi.fn();
  const drawn = render(<Page on={on} mute={mute} help={help} />);
  return { mute, help, ...drawn };
}

it("acts on Alt with the letter, by the key's place", () => {
  const { mute } = keys();
  // A Mac types "µ" with Alt and M.
  fireEvent.keyDown(document.body, { code: "KeyM", key: "µ", altKey: true });
  expect(mute).toHaveBeenCalledTimes(1);
});

it("leaves everything else alone", () => {
  const { mute, help } = keys();
  fireEvent.keyDown(document.body, { code: "KeyM", key: "m" });
  fireEvent.keyDown(document.body, { code: "KeyM", key: "m", altKey: true, ctrlKey: true });
  fireEvent.keyDown(document.body, { code: "KeyM", key: "m", altKey: true, modifierAltGraph: true });
  fireEvent.keyDown(document.body, { code: "KeyM", key: "m", altKey: true, repeat: true });
  expect(mute).not.toHaveBeenCalled();
  expect(help).not.toHaveBeenCalled();
});

it("shows the keys for ?, but not to somebody who writes one", () => {
  const { help, container } = keys();
  fireEvent.keyDown(container.querySelector("input") as HTMLElement, { key: "?", code: "Slash" });
  expect(help).not.toHaveBeenCalled();
  fireEvent.keyDown(document.body, { key: "?", code: "Slash" });
  expect(help).toHaveBeenCalledTimes(1);
});

it("is silent when turned off", () => {
  const { mute, help } = keys(false);
  fireEvent.keyDown(document.body, { code: "KeyM", altKey: true });
  fireEvent.keyDown(document.body, { key: "?", code: "Slash" });
  expect(mute).not.toHaveBeenCalled();
  expect(help).not.toHaveBeenCalled();
});

it("is silent behind a dialog", () => {
  const { mute } = keys();
  const dialog = document.createElement("dialog");
  dialog.open = true;
  document.body.append(dialog);
  fireEvent.keyDown(document.body, { code: "KeyM", altKey: true });
  dialog.remove();
  expect(mute).not.toHaveBeenCalled();
});
