import { render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { expectAccessible } from "../testing/accessible";
import { Choice } from "./Choice";

it("is a group with a name", async () => {
  const { container } = render(
    <Choice
      legend="How would you like to talk?"
      chosen={null}
      onChoose={() => undefined}
      tiles
      options={[
        { value: "a", label: "Video", why: "You see each other" },
        { value: "b", label: "Sound only" },
      ]}
    />,
  );
  expect(screen.getByRole("group", { name: "How would you like to talk?" })).toBeTruthy();
  await expectAccessible(container);
});
