import { render } from "@testing-library/react";
import type { ReactNode } from "react";
import { vi } from "vitest";
import type { Session, SessionState } from "../../call/session";
import { fakeSession } from "../../gallery/fake";
import { SessionProvider } from "../session";

/** Draws something above which there is a session, and gives that session with every verb watched. */
export function draw(node: ReactNode, state: SessionState) {
  const session = fakeSession(state);
  for (const verb of ["checkIn", "leave", "chat", "admit", "deny", "end", "invite", "access", "takeOver", "setMicrophone", "setCamera"] as const) {
    vi.spyOn(session as Session, verb);
  }
  vi.spyOn(session.devices, "open");
  vi.spyOn(session.devices, "reportSpeaker");
  const drawn = render(
    <SessionProvider value={session}>{node}</SessionProvider>,
  );
  return { ...drawn, session };
}
