import { render } from "@testing-library/react";
import { it } from "vitest";
import { longNames, noNames } from "../../gallery/fixtures";
import { expectAccessible } from "../testing/accessible";
import { QueueRow } from "./QueueRow";

it("is a button in a list, with long names and with none", async () => {
  const { container } = render(
    <ul>
      {[...longNames().entries, ...noNames().entries].map((entry, at) => (
        <QueueRow key={at} entry={entry} waited_ms={60_000 * at} away_ms={at === 1 ? 0 : null} first={at === 0} selected={at === 2} unread={at} onSelect={() => undefined} />
      ))}
    </ul>,
  );
  await expectAccessible(container);
});
