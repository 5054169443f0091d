import { render } from "@testing-library/react";
import { it } from "vitest";
import { expectAccessible } from "../testing/accessible";
import { KeysDialog } from "./KeysDialog";

it("is a table in a dialog", async () => {
  const { container } = render(
    <KeysDialog keys={[{ key: "Alt M", does: "keys.sound" }]} enabled onEnable={() => undefined} onClose={() => undefined} />,
  );
  await expectAccessible(container);
});
