import { render } from "@testing-library/react";
import { it } from "vitest";
import { Button } from "../Button/Button";
import { expectAccessible } from "../testing/accessible";
import { Notice } from "./Notice";
import { Problem } from "./Problem";

it("tells by words in every tone", async () => {
  const { container } = render(
    <>
      {(["plain", "good", "attention", "danger"] as const).map((tone) => (
        <Notice key={tone} tone={tone} title={tone} actions={<Button>Do</Button>}>
          <p>Words</p>
        </Notice>
      ))}
      <Problem code="network" />
    </>,
  );
  await expectAccessible(container);
});
