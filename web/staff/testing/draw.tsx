import { render } from "@testing-library/react";
import { vi } from "vitest";
import { fakeStaff } from "../../gallery/staff";
import { staffViews, type StaffView } from "../../gallery/staffViews";
import { LiveRegion } from "../../ui/Live/Live";
import { AccountApp } from "../AccountApp";
import { AdminApp } from "../AdminApp";
import { StaffProvider } from "../context";
import { JoinApp } from "../JoinApp";
import { RoomsApp } from "../RoomsApp";
import { SignInApp } from "../SignInApp";

export function pageOf(page: StaffView["page"]) {
  if (page.is === "sign-in") return <SignInApp query={new URLSearchParams(page.query)} />;
  if (page.is === "rooms") return <RoomsApp />;
  if (page.is === "account") return <AccountApp />;
  if (page.is === "join") return <JoinApp secret={page.secret} />;
  location.hash = page.section ?? "";
  return <AdminApp />;
}

/** Draws a view of the gallery without its steps, with other answers or another page if given. */
export function draw(id: string, change: Partial<StaffView> = {}) {
  const view = staffViews.find((one) => one.id === `staff-${id}`);
  if (view === undefined) throw new Error(`no view ${id}`);
  const session = fakeStaff({ ...view, ...change, answers: { ...view.answers, ...change.answers } });
  const ask = vi.spyOn(session, "ask");
  const go = vi.fn();
  render(
    <StaffProvider value={{ session, go }}>
      <LiveRegion>{pageOf(change.page ?? view.page)}</LiveRegion>
    </StaffProvider>,
  );
  void view.first?.(session);
  /** What was sent there, in order. */
  const sent = (to: string) => ask.mock.calls.filter(([{ method, path }]) => `${method} ${path}` === to).map(([{ body }]) => body);
  return { session, go, sent };
}
