import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import { chat, chatTrouble } from "../../gallery/fixtures";
import { Limits } from "../../protocol/generated";
import { Chat } from "./Chat";

const named = { label: "Messages", me: "patient", nameOf: () => "Dr Lee" } as const;

it("sends what was written, once, and empties the line", () => {
  const send = vi.fn(() => Promise.resolve());
  render(<Chat {...named} messages={[]} onSend={send} />);
  const line = screen.getByLabelText<HTMLTextAreaElement>("Your message");
  fireEvent.change(line, { target: { value: "  I am here  " } });
  fireEvent.keyDown(line, { key: "Enter" });
  expect(send.mock.calls).toEqual([["I am here"]]);
  expect(line.value).toBe("");
  fireEvent.click(screen.getByRole("button", { name: "Send" }));
  expect(send).toHaveBeenCalledTimes(1);
});

it("begins a new line with Shift and Enter, and while a word is being composed", () => {
  const send = vi.fn(() => Promise.resolve());
  render(<Chat {...named} messages={[]} onSend={send} />);
  const line = screen.getByLabelText("Your message");
  fireEvent.change(line, { target: { value: "one" } });
  fireEvent.keyDown(line, { key: "Enter", shiftKey: true });
  fireEvent.keyDown(line, { key: "Enter", isComposing: true });
  expect(send).not.toHaveBeenCalled();
});

it("sends as many letters as the protocol takes, and says so when there is one more", () => {
  const send = vi.fn(() => Promise.resolve());
  render(<Chat {...named} messages={[]} onSend={send} />);
  const line = screen.getByLabelText("Your message");
  // Letters outside the basic plane count once, as the server counts them.
  fireEvent.change(line, { target: { value: "𝕒".repeat(Limits.chatChars + 1) } });
  fireEvent.click(screen.getByRole("button", { name: "Send" }));
  expect(send).not.toHaveBeenCalled();
  expect(screen.getByRole("alert").textContent).toMatch(/too long/);
  fireEvent.change(line, { target: { value: "𝕒".repeat(Limits.chatChars) } });
  fireEvent.click(screen.getByRole("button", { name: "Send" }));
  expect(send).toHaveBeenCalledTimes(1);
});

it("says who wrote, what is on its way and what did not go", () => {
  render(<Chat {...named} messages={chatTrouble} onSend={() => Promise.resolve()} />);
  expect(screen.getAllByText("Dr Lee").length).toBe(2);
  expect(screen.getAllByText("You").length).toBe(3);
  expect(screen.getByText("Sending…")).toBeTruthy();
  expect(screen.getByText(/Not sent/)).toBeTruthy();
});

it("leaves the focus where it is when a message comes", () => {
  const { rerender } = render(<Chat {...named} messages={chat.slice(0, 1)} onSend={() => Promise.resolve()} />);
  const line = screen.getByLabelText("Your message");
  line.focus();
  rerender(<Chat {...named} messages={chat} onSend={() => Promise.resolve()} />);
  expect(document.activeElement).toBe(line);
});

it("shows markup as it was written", () => {
  const message = { ...chat[0], text: "<b>not bold</b>" } as (typeof chat)[number];
  render(<Chat {...named} messages={[message]} onSend={() => Promise.resolve()} />);
  expect(screen.getByText("<b>not bold</b>")).toBeTruthy();
});
