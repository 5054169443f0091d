/** The clinician's page, `/clinic`. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createSession } from "../call";
import { startWords } from "../i18n";
import { clinic as en } from "../i18n/en/clinic";
import { clinic as es } from "../i18n/es/clinic";
import { reloadOnLostChunk } from "../ui/chunks";
import { SessionProvider } from "../ui/session";
import "../ui/base.css";
import { ClinicApp } from "./ClinicApp";

startWords({ en, es });
reloadOnLostChunk();

const place = document.getElementById("app");
if (place !== null) {
  const session = createSession({ role: "clinician" });
  createRoot(place).render(
    <StrictMode>
      <SessionProvider value={session}>
        <ClinicApp />
      </SessionProvider>
    </StrictMode>,
  );
}
