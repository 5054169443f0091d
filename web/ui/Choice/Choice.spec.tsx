import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import { Choice } from "./Choice";

const options = [
  { value: "video", label: "Video" },
  { value: "sound", label: "Sound only" },
] as const;

it("shows what is chosen and tells what is chosen next", () => {
  const choose = vi.fn();
  render(<Choice legend="How?" options={options} chosen="video" onChoose={choose} testIds />);
  expect(screen.getByRole<HTMLInputElement>("radio", { name: "Video" }).checked).toBe(true);
  fireEvent.click(screen.getByTestId("choose-sound"));
  expect(choose).toHaveBeenCalledWith("sound");
});

it("keeps two choices on a page apart", () => {
  render(
    <>
      <Choice legend="One" options={options} chosen="video" onChoose={() => undefined} />
      <Choice legend="Two" options={options} chosen="sound" onChoose={() => undefined} />
    </>,
  );
  const names = new Set(screen.getAllByRole<HTMLInputElement>("radio").map((radio) => radio.name));
  expect(names.size).toBe(2);
});
