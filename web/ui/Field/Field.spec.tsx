import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import { Check, Select, TextArea, TextField } from "./Field";

it("ties label, hint and error to the field", () => {
  render(<TextField label="Name" hint="As on the card" error="Write the name." />);
  const field = screen.getByLabelText("Name");
  const described = (field.getAttribute("aria-describedby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent);
  expect(described).toEqual(["As on the card", "Write the name."]);
  expect(field.getAttribute("aria-invalid")).toBe("true");
  expect(screen.getByRole("alert").textContent).toBe("Write the name.");
});

it("says nothing of errors while there are none", () => {
  render(<TextArea label="Reason" error={null} />);
  expect(screen.getByLabelText("Reason").hasAttribute("aria-invalid")).toBe(false);
  expect(screen.queryByRole("alert")).toBeNull();
});

it("ticks by its label", () => {
  const change = vi.fn();
  render(<Check label="Full name matches" onChange={change} />);
  fireEvent.click(screen.getByText("Full name matches"));
  expect(change).toHaveBeenCalledTimes(1);
});

it("chooses one of a few", () => {
  const choose = vi.fn();
  render(
    <Select label="Camera" defaultValue="a" onChange={(event) => choose(event.target.value)}>
      <option value="a">Front</option>
      <option value="b">Back</option>
    </Select>,
  );
  fireEvent.change(screen.getByLabelText("Camera"), { target: { value: "b" } });
  expect(choose).toHaveBeenCalledWith("b");
});
