/** The clinician's page, `/clinic`. */
import "../ui/base.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createSession } from "../call";
import { startWords } from "../i18n";
import { clinicPacks } from "../i18n/packs/clinic";
import { reloadOnLostChunk } from "../ui/chunks";
import { SessionProvider } from "../ui/session";
import { ClinicApp } from "./ClinicApp";

reloadOnLostChunk();

const place = document.getElementById("app");
if (place !== null) {
  // The link is exchanged while the words come.
  const session = createSession({ role: "clinician" });
  await startWords(clinicPacks);
  createRoot(place).render(
    <StrictMode>
      <SessionProvider value={session}>
        <ClinicApp />
      </SessionProvider>
    </StrictMode>,
  );
}
