import { PhoneOff } from "lucide-react";
import { useState } from "react";
import { useWords } from "../i18n";
import type { Outcome, VisitView } from "../protocol/generated";
import { Button } from "../ui/Button/Button";
import { Choice } from "../ui/Choice/Choice";
import { Dialog } from "../ui/Dialog/Dialog";
import { DialogProblem } from "../ui/Toast/DialogProblem";
import { useSession, useVerb } from "../ui/session";

/** Asks once, in words, and records how it went. */
export function End({ visit, onClose }: { visit: VisitView; onClose: () => void }) {
  const { t } = useWords();
  const session = useSession();
  const [outcome, setOutcome] = useState<Outcome>("done");
  const [end, ending] = useVerb((how: Outcome) => session.end(visit.id, how));
  return (
    <Dialog
      title={t("end.title")}
      onClose={onClose}
      actions={
        <>
          <Button
            kind="danger"
            icon={PhoneOff}
            busy={ending}
            onClick={() => void end(outcome).then((ended) => (ended ? undefined : onClose()))}
            data-testid="confirm-end"
          >
            {t("end.yes")}
          </Button>
          <Button onClick={onClose}>{t("end.no")}</Button>
        </>
      }
    >
      <Choice<Outcome>
        legend={t("end.body")}
        chosen={outcome}
        onChoose={setOutcome}
        testIds
        options={[
          { value: "done", label: t("end.done") },
          { value: "technical-failure", label: t("end.technical-failure") },
          { value: "patient-absent", label: t("end.patient-absent") },
        ]}
      />
      <DialogProblem />
    </Dialog>
  );
}
