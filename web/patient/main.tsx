/** The patient's page, `/visit`. */
import "../ui/base.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createSession } from "../call";
import { startWords } from "../i18n";
import { patientPacks } from "../i18n/packs/patient";
import { reloadOnLostChunk } from "../ui/chunks";
import { SessionProvider } from "../ui/session";
import { PatientApp } from "./PatientApp";

reloadOnLostChunk();

const place = document.getElementById("app");
if (place !== null) {
  // The link is exchanged while the words come.
  const session = createSession({ role: "patient" });
  await startWords(patientPacks);
  createRoot(place).render(
    <StrictMode>
      <SessionProvider value={session}>
        <PatientApp />
      </SessionProvider>
    </StrictMode>,
  );
}
