import { render } from "@testing-library/react";
import { it } from "vitest";
import { expectAccessible } from "../testing/accessible";
import { Check, Select, TextArea, TextField } from "./Field";

it("has labels for all there is to fill in", async () => {
  const { container } = render(
    <form>
      <TextField label="Name" hint="As on the card" error="Write the name." />
      <TextArea label="Reason" />
      <Select label="Camera">
        <option>Front</option>
      </Select>
      <Check label="Full name matches" />
    </form>,
  );
  await expectAccessible(container);
});
