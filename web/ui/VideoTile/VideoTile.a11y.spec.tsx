import { render } from "@testing-library/react";
import { it } from "vitest";
import { expectAccessible } from "../testing/accessible";
import { VideoTile } from "./VideoTile";

it("has a name, picture or not", async () => {
  const { container } = render(
    <>
      <VideoTile stream={null} label="Picture of Dr Lee" testId="remote-video" hasPicture={false} instead={<p>Camera off</p>} />
      <VideoTile self stream={null} label="Your own picture" testId="self-video" hasPicture />
    </>,
  );
  await expectAccessible(container);
});
