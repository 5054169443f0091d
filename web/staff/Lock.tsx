import { useEffect, useRef } from "react";
import { useWords } from "../i18n";
import { Button } from "../ui/Button/Button";
import { ClinicHeader } from "../ui/ClinicHeader/ClinicHeader";
import { useStaff, useStaffState } from "./context";
import { Proof } from "./Proof";
import { useTitle } from "./Sheet";
import { Trouble } from "./Trouble";
import { useTry } from "./useTry";

/** Instead of everything, until whoever signed in shows a factor. Modal, so that it lies above any other dialog. */
export function Lock() {
  const { t } = useWords();
  const { session } = useStaff();
  const { who } = useStaffState();
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const leave = useTry(() => session.signOut());
  useTitle(t("lock.title"), who?.unit.name ?? "");
  useEffect(() => {
    const element = dialog.current;
    if (element === null) return undefined;
    element.showModal();
    heading.current?.focus();
    return () => element.close();
  }, []);
  if (who === null) return null;
  return (
    <dialog
      ref={dialog}
      className="lock"
      aria-labelledby="lock-title"
      onCancel={(event) => event.preventDefault()}
      // A browser lets a second Escape through.
      onClose={() => {
        if (dialog.current?.isConnected === true && !dialog.current.open) dialog.current.showModal();
      }}
      data-testid="lock"
    >
      <ClinicHeader clinic={{ name: who.unit.name, phone: "" }} help={false} />
      <main className="sheet">
        <div className="sheet__form">
          <div className="sheet__head">
            <h1 id="lock-title" ref={heading} tabIndex={-1}>
              {t("lock.title")}
            </h1>
            <p className="quiet">{t("lock.as", { name: who.person.name })}</p>
          </div>
          <Trouble problem={leave.problem} />
          <Proof
            lock
            email={who.person.email}
            first="password"
            action={t("lock.unlock")}
            show={(proof) => session.unlock(proof)}
            others={
              <Button busy={leave.running} onClick={() => void leave.run()} data-testid="lock-sign-out">
                {t("admin.sign-out")}
              </Button>
            }
          />
        </div>
      </main>
    </dialog>
  );
}
