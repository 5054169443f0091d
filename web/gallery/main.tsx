/** Draws one view, chosen by the address: `?view=patient-waiting&lang=es&theme=dark`. Without one, a list. */
import "../ui/base.css";
import { createRoot } from "react-dom/client";
import { ClinicApp } from "../clinician/ClinicApp";
import { startWords, type Language } from "../i18n";
import { clinicPacks } from "../i18n/packs/clinic";
import { patientPacks } from "../i18n/packs/patient";
import { PatientApp } from "../patient/PatientApp";
import { staffPacks } from "../i18n/packs/staff";
import { StaffProvider } from "../staff/context";
import { LiveRegion } from "../ui/Live/Live";
import { SessionProvider } from "../ui/session";
import { fakeSession } from "./fake";
import * as f from "./fixtures";
import { act, fakeStaff, staffViews, type StaffView } from "./staff";
import { views, type View } from "./views";

declare global {
  interface Window {
    /** For the photographer. */
    views: { id: string; app: string }[];
  }
}

sessionStorage.clear();
localStorage.clear();
const all = [...views, ...staffViews];
window.views = all.map(({ id, app }) => ({ id, app }));
const query = new URLSearchParams(location.search);
const view = all.find((one) => one.id === query.get("view"));
const root = document.documentElement;
const theme = query.get("theme");
if (theme === "light" || theme === "dark") root.dataset["theme"] = theme;

if (view === undefined) list();
else if (view.app === "staff") await showStaff(view);
else await show(view);

async function showStaff(view: StaffView): Promise<void> {
  root.dataset["app"] = "staff";
  await startWords(staffPacks, query.get("lang") === "es" ? "es" : "en");
  localStorage.setItem("telehealth.clinic", view.id.includes("long-names") ? f.longClinic.name : f.clinic.name);
  const session = fakeStaff(view);
  const place = document.getElementById("app");
  if (place === null) return;
  createRoot(place).render(
    <StaffProvider value={{ session, go: () => undefined }}>
      <LiveRegion>{view.page()}</LiveRegion>
    </StaffProvider>,
  );
  void view.first?.(session);
  for (const step of view.steps) await act(step, session, selected);
  // What is said only when it takes long.
  if (document.querySelector(".late") !== null || view.steps.length === 0) await new Promise((next) => setTimeout(next, 500));
  root.dataset["ready"] = "yes";
}

async function show({ app, state, clicks = [] }: View): Promise<void> {
  root.dataset["app"] = app === "patient" ? "patient" : "staff";
  const language: Language = query.get("lang") === "es" ? "es" : "en";
  await startWords(app === "patient" ? patientPacks : clinicPacks, language);
  const session = fakeSession(state());
  const place = document.getElementById("app");
  if (place === null) return;
  createRoot(place).render(
    <SessionProvider value={session}>{app === "patient" ? <PatientApp /> : <ClinicApp />}</SessionProvider>,
  );
  if (session.state.visit?.phase.is === "in-call" && session.state.link.is !== "closed") await found("call");
  for (const id of clicks) {
    if (id === "fake-ended") {
      await found("call");
      session.finish({
        visit: null,
        queue: f.queue([
          ...f.waiting.slice(1),
          ...f.later,
          f.entry("visit-1", "Marisol Vega", "Follow-up, knee", { is: "ended", at: f.NOW, outcome: "done", reason: null }),
        ]),
      });
      await found("closed");
    } else if (id === "fake-refused") {
      await found("dialog-problem");
      session.finish({ problem: { code: "unavailable", reference: "UNAVAILABLE-7F2K" } });
    } else {
      await found(session.state.visit?.phase.is === "in-call" ? "call" : app === "clinic" ? "queue" : id);
      // On a phone the desk's tools are behind a button.
      if (id === "invite" || id === "keys") document.querySelector<HTMLElement>('[data-testid="menu"]')?.click();
      (await found(id)).click();
    }
  }
  await Promise.all([...document.querySelectorAll("video")].map(playing));
  root.dataset["ready"] = "yes";
}

/** The element with this test id, once it is there. */
const found = (id: string) => selected(`[data-testid="${id}"]`);

async function selected(selector: string): Promise<HTMLElement> {
  for (;;) {
    const element = document.querySelector<HTMLElement>(selector);
    if (element !== null) return element;
    await new Promise((next) => setTimeout(next, 20));
  }
}

/** A first frame, or half a second: a covered video may never get one. */
function playing(video: HTMLVideoElement): Promise<unknown> {
  if (video.srcObject === null || video.videoWidth > 0) return Promise.resolve();
  return Promise.race([
    new Promise((next) => video.addEventListener("loadeddata", next, { once: true })),
    new Promise((next) => setTimeout(next, 500)),
  ]);
}

function list(): void {
  document.title = "Gallery";
  const place = document.getElementById("app");
  if (place === null) return;
  for (const { id } of all) {
    const link = document.createElement("a");
    link.href = `?view=${id}`;
    link.textContent = id;
    place.append(link);
  }
}
