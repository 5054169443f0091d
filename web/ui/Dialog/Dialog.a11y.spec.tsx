import { render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { Button } from "../Button/Button";
import { expectAccessible } from "../testing/accessible";
import { Dialog } from "./Dialog";

it("is named by its title", async () => {
  const { container } = render(
    <Dialog title="Leave the call?" onClose={() => undefined} closable actions={<Button>Stay</Button>}>
      <p>They stay.</p>
    </Dialog>,
  );
  expect(screen.getByRole("dialog", { name: "Leave the call?" })).toBeTruthy();
  await expectAccessible(container);
});
