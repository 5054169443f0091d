import { type ReactNode, useEffect, useRef } from "react";
import { Clock, WifiOff } from "lucide-react";
import { useWords } from "../i18n";
import { signInPath } from "../identity";
import { Button } from "../ui/Button/Button";
import { Dialog } from "../ui/Dialog/Dialog";
import { Icon } from "../ui/Icon/Icon";
import { useAnnounce } from "../ui/Live/Live";
import { useOnline } from "../ui/session";
import { rememberClinic, rememberedClinic, useStaff, useStaffState } from "./context";
import { Lock } from "./Lock";
import { Proof } from "./Proof";
import { Sheet } from "./Sheet";
import { Trouble } from "./Trouble";

/** Shows `children` to whoever is signed in, and to nobody else: not before, not after, not while it is locked. */
export function Guarded({ title, children }: { title: string; children: ReactNode }) {
  const { t } = useWords();
  const { session, go } = useStaff();
  const { is, ending, who, locked, confirming, trouble } = useStaffState();

  useEffect(() => {
    if (is === "signed-out") go(signInPath(ending === "signed-out" ? "" : location.pathname + location.search, ending));
  }, [is, ending, go]);
  const unit = who?.unit.name;
  useEffect(() => {
    if (unit !== undefined) rememberClinic(unit);
  }, [unit]);

  if (is !== "signed-in" || who === null) {
    return (
      <Sheet clinic={rememberedClinic()} title={title}>
        <div className="sheet__form">
          <h1>{title}</h1>
          {trouble === null && <p className="late">{t("staff.loading")}</p>}
          <Trouble
            problem={trouble}
            actions={
              <Button onClick={() => void session.resume()} data-testid="try-again">
                {t("common.try-again")}
              </Button>
            }
          />
        </div>
      </Sheet>
    );
  }
  return (
    <>
      <Behind locked={locked}>
        <Banners />
        {children}
        {confirming && (
          <Dialog title={t("confirm.title")} onClose={() => session.cancelConfirm()}>
            <p>{t("confirm.body")}</p>
            <Proof
              email={who.person.email}
              first="code"
              action={t("confirm.yes")}
              show={(proof) => session.confirm(proof)}
              others={<Button onClick={() => session.cancelConfirm()}>{t("common.cancel")}</Button>}
            />
          </Dialog>
        )}
      </Behind>
      {locked && <Lock />}
    </>
  );
}

/** Kept as it is, and out of sight and reach: not drawn, not in the accessibility tree, dialogs included. */
function Behind({ locked, children }: { locked: boolean; children: ReactNode }) {
  const { t } = useWords();
  const announce = useAnnounce();
  const focused = useRef<Element | null>(null);
  const was = useRef(locked);
  // While it is drawn for the last time, the focus is still where the person left it.
  if (locked && !was.current) focused.current = document.activeElement;
  useEffect(() => {
    if (was.current && !locked) {
      announce(t("lock.unlocked"));
      if (focused.current instanceof HTMLElement && focused.current.isConnected) focused.current.focus();
    }
    was.current = locked;
  }, [locked, announce, t]);
  return (
    <div className="behind" hidden={locked} inert={locked} data-testid="behind">
      {children}
    </div>
  );
}

/** What is true of the whole page: it is offline, or locks soon. */
function Banners() {
  const { t } = useWords();
  const { locksIn, trouble } = useStaffState();
  const online = useOnline();
  const announce = useAnnounce();
  const soon = locksIn !== null;
  useEffect(() => {
    if (soon) announce(t("lock.soon-spoken"), "assertive");
  }, [soon, announce, t]);
  return (
    <>
      {(!online || trouble !== null) && (
        <div className="strip-notice" role="status" data-testid="offline">
          <Icon of={WifiOff} />
          <p>
            <strong>{t(online ? "trouble.unavailable.what" : "trouble.offline.what")}.</strong> {t("admin.stale")}
          </p>
        </div>
      )}
      {soon && (
        <section className="locks-soon" aria-label={t("lock.soon-spoken")} data-testid="locks-soon">
          <Icon of={Clock} />
          <p className="figures">{t("lock.soon", { count: locksIn })}</p>
        </section>
      )}
    </>
  );
}
