/** What the three pages have in common when they begin. */
import "../ui/base.css";
import { type ReactNode, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { startWords } from "../i18n";
import { staffPacks } from "../i18n/packs/staff";
import { browserEnv, createStaffSession, type StaffSession, unitName } from "../identity";
import { reloadOnLostChunk } from "../ui/chunks";
import { LiveRegion } from "../ui/Live/Live";
import { StaffProvider } from "./context";

/** Draws a page; `first` is asked while the words come. */
export async function start(page: ReactNode, first: (session: StaffSession) => void = () => undefined): Promise<void> {
  reloadOnLostChunk();
  const place = document.getElementById("app");
  if (place === null) return;
  const env = browserEnv();
  const session = createStaffSession(env);
  const clinic = () => unitName(env);
  first(session);
  await startWords(staffPacks);
  createRoot(place).render(
    <StrictMode>
      <StaffProvider value={{ session, go: (path) => location.assign(path), clinic }}>
        <LiveRegion>{page}</LiveRegion>
      </StaffProvider>
    </StrictMode>,
  );
}
