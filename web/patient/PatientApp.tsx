import { type ComponentType, useEffect, useState } from "react";
import type { SessionState } from "../call/session";
import { useWords } from "../i18n";
import type { VisitView } from "../protocol/generated";
import { LinkBanner, Opening, Refused, Replaced } from "../ui/LinkState/LinkState";
import { LiveRegion } from "../ui/Live/Live";
import { ProblemToast } from "../ui/Toast/ProblemToast";
import { useSessionState } from "../ui/session";
import { AccessButton } from "./Access";
import { CheckIn } from "./CheckIn";
import { Closed } from "./Closed";
import { Waiting } from "./Waiting";
import "./patient.css";

type CallPage = ComponentType<{ visit: VisitView }>;

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

  const Call = useCallPage(page);

  return (
    <LiveRegion>
      <Page page={page} Call={Call} />
      <ProblemToast />
    </LiveRegion>
  );
}

/**
 * The call's code, fetched while the patient checks in: a deploy during the wait takes nothing away. Held
 * here and not by `lazy`, whose fallback stays 300 ms once it shows, and somebody is waiting to be seen.
 */
function useCallPage(page: ReturnType<typeof pageFor>): CallPage | null {
  const [Call, setCall] = useState<CallPage | null>(null);
  useEffect(() => {
    if (Call !== null || page === "opening" || page === "refused" || page === "closed") return;
    // Failing does no harm yet: it is asked for again on the next page.
    import("./Call").then(
      (loaded) => setCall(() => loaded.default),
      () => undefined,
    );
  }, [Call, page]);
  return Call;
}

function Page({ page, Call }: { page: ReturnType<typeof pageFor>; Call: CallPage | null }) {
  const { link, visit } = useSessionState();
  if (page === "refused" && link.is === "refused") return <Refused link={link}>{link.because === "over" && <AccessButton />}</Refused>;
  if (page === "replaced") return <Replaced />;
  if (page === "closed") return <Closed visit={visit} />;
  if (visit === null) return <Opening />;
  if (page === "call") return Call === null ? <Opening /> : <Call visit={visit} />;
  return (
    <>
      <LinkBanner />
      {page === "check-in" ? <CheckIn visit={visit} /> : <Waiting visit={visit} />}
    </>
  );
}
