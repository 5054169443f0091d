/** The patient's page, `/visit`. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createSession } from "../call";
import { startWords } from "../i18n";
import { patient as en } from "../i18n/en/patient";
import { patient as es } from "../i18n/es/patient";
import { reloadOnLostChunk } from "../ui/chunks";
import { SessionProvider } from "../ui/session";
import "../ui/base.css";
import { PatientApp } from "./PatientApp";

startWords({ en, es });
reloadOnLostChunk();

const place = document.getElementById("app");
if (place !== null) {
  const session = createSession({ role: "patient" });
  createRoot(place).render(
    <StrictMode>
      <SessionProvider value={session}>
        <PatientApp />
      </SessionProvider>
    </StrictMode>,
  );
}
