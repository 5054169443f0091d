import { RefreshCw, WifiOff } from "lucide-react";
import { type ReactNode, useEffect, useRef } from "react";
import type { Link } from "../../call/session";
import { useWords } from "../../i18n";
import { stopwatch } from "../../i18n/time";
import { Button } from "../Button/Button";
import { ClinicHeader, PhoneLink } from "../ClinicHeader/ClinicHeader";
import { Icon } from "../Icon/Icon";
import { LanguageSwitch } from "../LanguageSwitch/LanguageSwitch";
import { useAnnounce } from "../Live/Live";
import { useNow, useOnline, useSession, useSessionState } from "../session";
import "./LinkState.css";

/** Shorter than this is "one moment", milliseconds. */
const MOMENT = 1_000;
/** Longer than this, the telephone is offered, milliseconds. */
const OFFER_PHONE = 15_000;

interface FrameProps {
  state: string;
  clinic: { name: string; phone: string } | null;
  title: string;
  children?: ReactNode;
}

/** A whole page that says one thing. */
export function LinkPage({ state, clinic, title, children }: FrameProps) {
  return (
    <>
      <ClinicHeader clinic={clinic}>
        <LanguageSwitch />
      </ClinicHeader>
      <main className="link-page" data-testid="link-state" data-state={state}>
        <h1>{title}</h1>
        {children}
      </main>
    </>
  );
}

/** The first moments. */
export function Opening() {
  const { t } = useWords();
  const { link, greeting } = useSessionState();
  return (
    <LinkPage state={link.is} clinic={greeting?.clinic ?? null} title={t(greeting === null ? "link.opening" : "link.connecting")}>
      <LinkBanner />
    </LinkPage>
  );
}

/** The link gives nothing, and what to do about it. */
export function Refused({ link, children }: { link: Link & { is: "refused" }; children?: ReactNode }) {
  const { t } = useWords();
  return (
    <LinkPage state={`refused-${link.because}`} clinic={link.clinic} title={t(`refused.${link.because}.title`)}>
      <p>{t(`refused.${link.because}.body`)}</p>
      {link.clinic === null || link.clinic.phone === "" ? (
        <p>{t("refused.help-unknown")}</p>
      ) : (
        <div className="link-page__phone">
          <p>{t("refused.help")}</p>
          <PhoneLink phone={link.clinic.phone} />
        </div>
      )}
      {children}
    </LinkPage>
  );
}

/** A newer tab took over; this one asks before it takes back. */
export function Replaced() {
  const { t } = useWords();
  const session = useSession();
  const { greeting } = useSessionState();
  return (
    <LinkPage state="replaced" clinic={greeting?.clinic ?? null} title={t("replaced.title")}>
      <p>{t("replaced.body")}</p>
      <Button kind="primary" onClick={() => session.takeOver()} data-testid="take-over">
        {t("replaced.action")}
      </Button>
    </LinkPage>
  );
}

/**
 * Above everything while the connection is lost: counts, says that nothing is lost, later offers the telephone.
 * Outside of calls it also offers the newer page, once there is one.
 */
export function LinkBanner() {
  const { t } = useWords();
  const { link, outdated, visit } = useSessionState();
  if (link.is === "reconnecting") return <Lost since={link.since} label={t("problem.restarting.means")} />;
  return outdated && link.is === "open" && visit?.phase.is !== "in-call" ? <Newer /> : null;
}

function Newer() {
  const { t } = useWords();
  return (
    <section className="link-banner link-banner--news" aria-label={t("link.newer")} data-testid="newer-page">
      <Icon of={RefreshCw} />
      <div>
        <p className="link-banner__title">{t("link.newer")}</p>
        <p>{t("link.newer-means")}</p>
      </div>
      <Button onClick={() => location.reload()} data-testid="load-newer">
        {t("link.newer-load")}
      </Button>
    </section>
  );
}

function Lost({ since, label }: { since: number; label: string }) {
  const { t } = useWords();
  const { greeting } = useSessionState();
  const announce = useAnnounce();
  const online = useOnline();
  const gone = useNow() - since;
  const said = useRef(false);

  useEffect(() => {
    if (said.current || gone < MOMENT) return;
    said.current = true;
    announce(`${t("link.reconnecting", { time: stopwatch(gone) })} ${label}`, "assertive");
  }, [announce, gone, label, t]);

  return (
    <section
      className="link-banner"
      aria-label={t("link.state")}
      data-testid="link-state"
      data-state={online ? "reconnecting" : "offline"}
    >
      <Icon of={online ? RefreshCw : WifiOff} />
      <div>
        <p className="link-banner__title figures">
          {!online && `${t("link.offline")}. `}
          {gone < MOMENT ? t("problem.restarting.what") : t("link.reconnecting", { time: stopwatch(gone) })}
        </p>
        <p>{label}</p>
      </div>
      {gone >= OFFER_PHONE && greeting !== null && greeting.clinic.phone !== "" && (
        <PhoneLink phone={greeting.clinic.phone} />
      )}
    </section>
  );
}
