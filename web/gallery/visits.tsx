/** Shows a view of a visit: the real page above a session that says what it is told. */
import { createRoot } from "react-dom/client";
import { startWords, type Language } from "../i18n";
import { SessionProvider } from "../ui/session";
import { fakeSession } from "./fake";
import { found } from "./find";
import * as f from "./fixtures";
import type { View } from "./views";

const pages = {
  patient: async (language: Language) => {
    const [{ patientPacks }, { PatientApp }] = await Promise.all([import("../i18n/packs/patient"), import("../patient/PatientApp")]);
    await startWords(patientPacks, language);
    return <PatientApp />;
  },
  clinic: async (language: Language) => {
    const [{ clinicPacks }, { ClinicApp }] = await Promise.all([import("../i18n/packs/clinic"), import("../clinician/ClinicApp")]);
    await startWords(clinicPacks, language);
    return <ClinicApp />;
  },
};

export async function show({ app, state, clicks = [] }: View, language: Language, place: HTMLElement): Promise<void> {
  const page = await pages[app](language);
  const session = fakeSession(state());
  createRoot(place).render(<SessionProvider value={session}>{page}</SessionProvider>);
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
}

/** A first frame, or half a second: a covered video may never get one. */
function playing(video: HTMLVideoElement): Promise<unknown> {
  if (video.srcObject === null || video.videoWidth > 0) return Promise.resolve();
  return Promise.race([
    new Promise((next) => video.addEventListener("loadeddata", next, { once: true })),
    new Promise((next) => setTimeout(next, 500)),
  ]);
}
