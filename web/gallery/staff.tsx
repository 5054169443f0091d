/** Shows a view of the staff's pages: the real session above a server that answers from a list. */
import type { ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { startWords, type Language } from "../i18n";
import { staffPacks } from "../i18n/packs/staff";
import { createStaffSession, type Env, type StaffSession } from "../identity";
import { StaffProvider } from "../staff/context";
import { LiveRegion } from "../ui/Live/Live";
import { found, selected } from "./find";
import * as f from "./fixtures";
import { refused, type Answer, type StaffView, type Step } from "./staffViews";

export const fakeStaff = (view: StaffView): StaffSession => createStaffSession(env(view));

async function drawn(page: StaffView["page"]): Promise<ReactNode> {
  if (page.is === "sign-in") {
    const { SignInApp } = await import("../staff/SignInApp");
    return <SignInApp query={new URLSearchParams(page.query)} />;
  }
  if (page.is === "join") {
    const { JoinApp } = await import("../staff/JoinApp");
    return <JoinApp secret={page.secret} />;
  }
  if (page.is === "rooms") {
    const { RoomsApp } = await import("../staff/RoomsApp");
    return <RoomsApp />;
  }
  if (page.is === "account") {
    const { AccountApp } = await import("../staff/AccountApp");
    return <AccountApp />;
  }
  const { AdminApp } = await import("../staff/AdminApp");
  return <AdminApp />;
}

export async function show(view: StaffView, language: Language, place: HTMLElement): Promise<void> {
  await startWords(staffPacks, language);
  localStorage.setItem("telehealth.clinic", view.id.includes("long-names") ? f.longClinic.name : f.clinic.name);
  if (view.id.includes("passkey-first")) localStorage.setItem("telehealth.passkey", "1");
  else localStorage.removeItem("telehealth.passkey");
  const session = fakeStaff(view);
  location.hash = (view.page.is === "admin" && view.page.section) || "";
  const page = await drawn(view.page);
  createRoot(place).render(
    <StaffProvider value={{ session, go: () => undefined }}>
      <LiveRegion>{page}</LiveRegion>
    </StaffProvider>,
  );
  void view.first?.(session);
  for (const step of view.steps) await act(step, session);
  // What is said only when it takes long.
  if (document.querySelector(".late") !== null || view.steps.length === 0) await new Promise((next) => setTimeout(next, 500));
}

/** A browser whose server answers from the list, and in which time stands still. */
function env(view: Pick<StaffView, "answers" | "passkeys">): Env {
  const { answers } = view;
  const asked = new Map<string, number>();
  const find = (key: string): Answer => {
    const name = Object.keys(answers)
      .filter((one) => key.startsWith(one))
      .sort((one, other) => other.length - one.length)[0];
    const known = name === undefined ? undefined : answers[name];
    if (name === undefined || known === undefined) return refused("not-found", 404);
    if (!Array.isArray(known)) return known as Answer;
    const at = asked.get(name) ?? 0;
    asked.set(name, at + 1);
    return known[Math.min(at, known.length - 1)] as Answer;
  };
  const nothing = () => () => undefined;
  return {
    fetch: (path, { method }) => {
      const answer = find(`${method} ${path}`);
      if (answer === "never") return new Promise(() => undefined);
      if (answer === "offline") return Promise.reject(new TypeError("offline"));
      const { problem, status = 200, retryAfter, ...more } = answer as { problem?: string; status?: number; retryAfter?: number };
      const body = problem === undefined ? answer : { code: problem, trace_id: "01a209a3913b710783603a160dc95824", ...more };
      return Promise.resolve(
        new Response(JSON.stringify(body), { status, headers: retryAfter === undefined ? {} : { "retry-after": String(retryAfter) } }),
      );
    },
    now: () => f.NOW,
    after: () => Promise.resolve(),
    every: (_, call) => {
      setTimeout(call, 0);
      return () => undefined;
    },
    touched: nothing,
    back: nothing,
    alone: (work) => work(),
    tell: () => undefined,
    hear: nothing,
    deadline: () => new AbortController().signal,
    passkeys: {
      usable: () => view.passkeys === true,
      inFields: () => Promise.resolve(false),
      show: () => Promise.resolve({ id: "id", clientData: "", authenticatorData: "", signature: "" }),
      make: () => Promise.resolve({ clientData: "", authenticatorData: "" }),
    },
  };
}

/** Does one step of a view, once it can be done. */
async function act(step: Step, session: StaffSession): Promise<void> {
  if (step === "=lock") await session.lock();
  else if (step === "?problem") await selected(".trouble .notice");
  else if (step === "?notice") await selected(".sheet .notice");
  else if (step === "?field-error") await selected(".field__error:not(:empty)");
  else if (step.startsWith("?")) await found(step.slice(1));
  else {
    const [id = "", ...rest] = step.split("=");
    const element = await found(id);
    if (rest.length === 0) element.click();
    else {
      // React listens to its own setter; a person's typing goes past it.
      Object.getOwnPropertyDescriptor(Object.getPrototypeOf(element), "value")?.set?.call(element, rest.join("="));
      element.dispatchEvent(new Event(element.tagName === "SELECT" ? "change" : "input", { bubbles: true }));
    }
    // What the step changes is drawn before the next.
    await new Promise((next) => setTimeout(next, 30));
  }
}
