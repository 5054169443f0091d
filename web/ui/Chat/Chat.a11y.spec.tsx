import { render } from "@testing-library/react";
import { it } from "vitest";
import { chatTrouble } from "../../gallery/fixtures";
import { expectAccessible } from "../testing/accessible";
import { Chat } from "./Chat";

it("is a log with a name and a line with a label", async () => {
  const { container } = render(
    <Chat
      label="Messages"
      me="patient"
      nameOf={() => "Dr Lee"}
      messages={chatTrouble}
      onSend={() => Promise.resolve()}
      quick={["Soon"]}
      quickLabel="Quick messages"
    />,
  );
  await expectAccessible(container);
});
