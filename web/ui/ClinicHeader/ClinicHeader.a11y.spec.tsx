import { render } from "@testing-library/react";
import { it } from "vitest";
import { LanguageSwitch } from "../LanguageSwitch/LanguageSwitch";
import { expectAccessible } from "../testing/accessible";
import { ClinicHeader } from "./ClinicHeader";

it("is the page's banner", async () => {
  const { container } = render(
    <ClinicHeader clinic={{ name: "Riverside", phone: "555-0100" }}>
      <LanguageSwitch />
    </ClinicHeader>,
  );
  await expectAccessible(container);
});
