import { render } from "@testing-library/react";
import { expect, it } from "vitest";
import { expectAccessible } from "../testing/accessible";
import { Health } from "./Health";

it("has a word for every finding", async () => {
  const { container } = render(<Health all devices={{ microphone: "busy", camera: "missing", speaker: "unknown", network: "off" }} />);
  expect([...container.querySelectorAll("li")].map((part) => part.textContent)).toEqual([
    "Picture none",
    "Sound in use elsewhere",
    "Network off",
    "Speaker not tested",
  ]);
  await expectAccessible(container);
});
