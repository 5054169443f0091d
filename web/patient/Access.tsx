import { Eye, Siren } from "lucide-react";
import { useEffect, useState } from "react";
import type { Access, AccessLine } from "../call/session";
import { hasWords, type Key, useWords } from "../i18n";
import { dayAndTime } from "../i18n/time";
import { Button } from "../ui/Button/Button";
import { PhoneLink } from "../ui/ClinicHeader/ClinicHeader";
import { Dialog } from "../ui/Dialog/Dialog";
import { Icon } from "../ui/Icon/Icon";
import { Notice } from "../ui/Notice/Notice";
import { useSession } from "../ui/session";

/** Leads to who opened this visit, beside whatever else the page is for. */
export function AccessButton() {
  const { t } = useWords();
  const [open, setOpen] = useState(false);
  return (
    <div>
      <Button kind="quiet" icon={Eye} onClick={() => setOpen(true)} data-testid="access">
        {t("access.open")}
      </Button>
      {open && <WhoOpened onClose={() => setOpen(false)} />}
    </div>
  );
}

function WhoOpened({ onClose }: { onClose: () => void }) {
  const { t } = useWords();
  const session = useSession();
  const [access, setAccess] = useState<Access | "failed" | null>(null);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    let gone = false;
    setAccess(null);
    session.access().then(
      (found) => gone || setAccess(found),
      () => gone || setAccess("failed"),
    );
    return () => {
      gone = true;
    };
  }, [session, tries]);
  return (
    <Dialog title={t("access.title")} onClose={onClose} closable>
      <div role="status">{access === null && <p className="quiet">{t("access.loading")}</p>}</div>
      {access === "failed" && (
        <Notice
          tone="attention"
          title={t("access.failed")}
          actions={
            <Button onClick={() => setTries(tries + 1)} data-testid="try-again">
              {t("common.try-again")}
            </Button>
          }
        >
          <p>{t("access.failed-do")}</p>
        </Notice>
      )}
      {access !== null && access !== "failed" && (
        <>
          <p>{t("access.what")}</p>
          {access.lines.length === 0 ? (
            <p data-testid="access-none">{t("access.none")}</p>
          ) : (
            <ol className="access-list" data-testid="access-lines">
              {access.lines.map((line, at) => (
                <Line key={`${line.at}-${at}`} line={line} />
              ))}
            </ol>
          )}
          {access.more && <p>{t("access.more")}</p>}
          <p className="quiet">{t("access.question")}</p>
          {access.clinic.phone !== "" && <PhoneLink phone={access.clinic.phone} />}
        </>
      )}
    </Dialog>
  );
}

function Line({ line }: { line: AccessLine }) {
  const { t, language } = useWords();
  const role = `access.role.${line.role}`;
  const as = t(hasWords(role) ? (role as Key & "access.role.clinician") : "access.role.somebody");
  const category = line.why.is === "emergency" ? `access.category.${line.why.category ?? "none"}` : "";
  const when = (at: number) => dayAndTime(at, Date.now(), language);
  return (
    <li className="access-list__line" data-emergency={line.why.is === "emergency"}>
      <p>
        <strong>{line.name ?? as}</strong>
        {line.name !== undefined && <span className="quiet"> · {as}</span>}
      </p>
      <p>{t(`access.did.${line.what}`)}</p>
      {line.why.is === "emergency" && (
        <p className="access-list__emergency">
          <Icon of={Siren} />
          {hasWords(category) ? t(category as Key & "access.category.danger") : t("access.emergency")}
        </p>
      )}
      <p className="quiet figures">
        {line.since === undefined ? when(line.at) : t("access.since", { from: when(line.since), to: when(line.at) })}
      </p>
    </li>
  );
}
