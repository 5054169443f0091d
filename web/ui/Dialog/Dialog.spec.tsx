import { fireEvent, render, screen } from "@testing-library/react";
import { useState } from "react";
import { expect, it, vi } from "vitest";
import { Button } from "../Button/Button";
import { Dialog } from "./Dialog";

function Page() {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button onClick={() => setOpen(true)}>Leave</Button>
      {open && (
        <Dialog title="Leave the call?" onClose={() => setOpen(false)} actions={<Button onClick={() => setOpen(false)}>Stay</Button>}>
          <p>They stay.</p>
        </Dialog>
      )}
    </>
  );
}

it("takes the focus to its title and gives it back to what opened it", () => {
  render(<Page />);
  const opener = screen.getByRole("button", { name: "Leave" });
  opener.focus();
  fireEvent.click(opener);
  expect(document.activeElement).toBe(screen.getByRole("heading", { name: "Leave the call?" }));
  fireEvent.click(screen.getByRole("button", { name: "Stay" }));
  expect(document.activeElement).toBe(opener);
});

it("is modal, and Escape asks to close it", () => {
  const modal = vi.spyOn(HTMLDialogElement.prototype, "showModal");
  const close = vi.fn();
  render(
    <Dialog title="Keys" onClose={close}>
      <p>None</p>
    </Dialog>,
  );
  expect(modal).toHaveBeenCalledTimes(1);
  fireEvent(screen.getByRole("dialog"), new Event("cancel", { cancelable: true }));
  expect(close).toHaveBeenCalledTimes(1);
});
