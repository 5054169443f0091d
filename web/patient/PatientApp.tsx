import { lazy, Suspense, useEffect } from "react";
import type { SessionState } from "../call/session";
import { useWords } from "../i18n";
import { LinkBanner, Opening, Refused, Replaced } from "../ui/LinkState/LinkState";
import { LiveRegion } from "../ui/Live/Live";
import { ProblemToast } from "../ui/Toast/ProblemToast";
import { useSessionState } from "../ui/session";
import { CheckIn } from "./CheckIn";
import { Closed } from "./Closed";
import { Waiting } from "./Waiting";
import "./patient.css";

/** The call's code, fetched while the patient checks in: nothing can be missing when it begins. */
export const loadCall = () => import("./Call");
const Call = lazy(loadCall);

/** Which page the state asks for. The server owns it; a reload changes nothing. */
export function pageFor(state: SessionState): "opening" | "refused" | "replaced" | "check-in" | "waiting" | "call" | "closed" {
  const { link, visit } = state;
  if (link.is === "refused") return "refused";
  if (link.is === "replaced") return "replaced";
  if (visit?.phase.is === "ended" || link.is === "closed") return "closed";
  if (visit === null) return "opening";
  if (visit.phase.is === "booked") return "check-in";
  return visit.phase.is === "waiting" ? "waiting" : "call";
}

export function PatientApp() {
  const { t, language } = useWords();
  const page = pageFor(useSessionState());

  useEffect(() => {
    document.title = page === "call" ? t("waiting.go-in") : t("patient.page-title");
  }, [page, t, language]);

  useEffect(() => {
    // Failing now does no harm: it is asked for again when it is needed.
    if (page === "check-in" || page === "waiting") loadCall().catch(() => undefined);
  }, [page]);

  return (
    <LiveRegion>
      <Suspense fallback={<Opening />}>
        <Page page={page} />
      </Suspense>
      <ProblemToast />
    </LiveRegion>
  );
}

function Page({ page }: { page: ReturnType<typeof pageFor> }) {
  const { link, visit } = useSessionState();
  if (page === "refused" && link.is === "refused") return <Refused link={link} />;
  if (page === "replaced") return <Replaced />;
  if (page === "closed") return <Closed visit={visit} />;
  if (visit === null) return <Opening />;
  if (page === "call") return <Call visit={visit} />;
  return (
    <>
      <LinkBanner />
      {page === "check-in" ? <CheckIn visit={visit} /> : <Waiting visit={visit} />}
    </>
  );
}
