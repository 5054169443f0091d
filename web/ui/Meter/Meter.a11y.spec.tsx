import { render } from "@testing-library/react";
import { it } from "vitest";
import { expectAccessible } from "../testing/accessible";
import { Meter } from "./Meter";

it("is a meter with a name", async () => {
  await expectAccessible(render(<Meter level={0.4} label="Microphone level" />).container);
});
