import { render } from "@testing-library/react";
import { LogOut, Mic } from "lucide-react";
import { it } from "vitest";
import { expectAccessible } from "../testing/accessible";
import { CallBar, CallButton } from "./CallBar";

it("is told by words, not by colour", async () => {
  const { container } = render(
    <CallBar>
      <CallButton icon={Mic} word="Sound" state="off" look="off" testId="sound" />
      <CallButton icon={LogOut} word="Leave" look="end" testId="leave" />
    </CallBar>,
  );
  await expectAccessible(container);
});
