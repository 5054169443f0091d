import { useEffect, useRef } from "react";
import { useWords } from "../i18n";
import type { Outcome, VisitView } from "../protocol/generated";
import { ClinicHeader, PhoneLink } from "../ui/ClinicHeader/ClinicHeader";
import { LanguageSwitch } from "../ui/LanguageSwitch/LanguageSwitch";
import { useSessionState } from "../ui/session";
import { AccessButton } from "./Access";

/** The last page: what happened, what next, whom to call. */
export function Closed({ visit }: { visit: VisitView | null }) {
  const { t } = useWords();
  const { greeting } = useSessionState();
  const heading = useRef<HTMLHeadingElement>(null);
  const clinic = visit?.clinic ?? greeting?.clinic ?? null;
  const practitioner = visit?.practitioner ?? greeting?.practitioner ?? "";
  const phase = visit?.phase;
  const how: Outcome | "left" = phase?.is === "ended" ? phase.outcome : "left";
  const reason = phase?.is === "ended" ? phase.reason : null;

  useEffect(() => heading.current?.focus(), []);

  return (
    <>
      <ClinicHeader clinic={clinic}>
        <LanguageSwitch />
      </ClinicHeader>
      <main className="page closed" data-testid="closed" data-outcome={how}>
        <h1 ref={heading} tabIndex={-1}>
          {how === "denied" ? t("closed.denied.title", { practitioner }) : t(`closed.${how}.title`)}
        </h1>
        {how === "denied" ? (
          reason !== null && (
            <figure className="closed__reason">
              <figcaption>{t("closed.denied.reason")}</figcaption>
              <blockquote data-testid="denied-reason">{reason}</blockquote>
            </figure>
          )
        ) : (
          <p>{t(`closed.${how}.body` as "closed.done.body", { practitioner })}</p>
        )}
        <section className="closed__next">
          <h2>{t("closed.next")}</h2>
          <p>{t(`closed.${how}.next` as "closed.patient-left.next", { practitioner })}</p>
          {clinic !== null && clinic.phone !== "" && <PhoneLink phone={clinic.phone} />}
        </section>
        <AccessButton />
        <p className="quiet">{t("closed.close-page")}</p>
        <p className="quiet small">{t("brand.by")}</p>
      </main>
    </>
  );
}
