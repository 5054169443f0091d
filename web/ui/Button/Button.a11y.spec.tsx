import { render } from "@testing-library/react";
import { Phone } from "lucide-react";
import { it } from "vitest";
import { expectAccessible } from "../testing/accessible";
import { Button } from "./Button";

it("is a button with a name in every kind", async () => {
  const { container } = render(
    <>
      <Button kind="primary" icon={Phone}>
        Call
      </Button>
      <Button busy>Working</Button>
      <Button kind="quiet">More</Button>
      <Button kind="danger">End</Button>
    </>,
  );
  await expectAccessible(container);
});
