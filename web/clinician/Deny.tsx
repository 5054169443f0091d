import { useState } from "react";
import { useWords } from "../i18n";
import { Limits } from "../protocol/generated";
import { Button } from "../ui/Button/Button";
import { Dialog } from "../ui/Dialog/Dialog";
import { DialogProblem } from "../ui/Toast/DialogProblem";
import { TextArea } from "../ui/Field/Field";
import { useSession, useVerb } from "../ui/session";

interface Props {
  visit: string;
  name: string;
  onClose: () => void;
  onDone: () => void;
}

/** Not now, with the reason the patient reads. */
export function Deny({ visit, name, onClose, onDone }: Props) {
  const { t } = useWords();
  const session = useSession();
  const [reason, setReason] = useState("");
  const [empty, setEmpty] = useState(false);
  const [deny, denying] = useVerb((text: string) => session.deny(visit, text));
  const presets = [t("deny.preset-time"), t("deny.preset-person"), t("deny.preset-identity")];

  const submit = async () => {
    const text = reason.trim();
    if (text === "") {
      setEmpty(true);
      return;
    }
    if (await deny(text)) onDone();
    else onClose();
  };

  return (
    <Dialog
      title={t("deny.title", { name })}
      onClose={onClose}
      actions={
        <>
          <Button kind="danger" busy={denying} onClick={() => void submit()} data-testid="confirm-deny">
            {t("deny.yes")}
          </Button>
          <Button onClick={onClose}>{t("common.back")}</Button>
        </>
      }
    >
      <p>{t("deny.body")}</p>
      <TextArea
        label={t("deny.reason")}
        value={reason}
        maxLength={Limits.lineChars}
        error={empty && reason.trim() === "" ? t("deny.empty") : null}
        onChange={(event) => setReason(event.target.value)}
        data-testid="deny-reason"
      />
      <div className="chat__quick" role="group" aria-label={t("deny.presets")}>
        {presets.map((preset) => (
          <button key={preset} type="button" onClick={() => setReason(preset)}>
            {preset}
          </button>
        ))}
      </div>
      <DialogProblem />
    </Dialog>
  );
}
