import { Check as Tick, Copy } from "lucide-react";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { useWords } from "../i18n";
import { Limits } from "../protocol/generated";
import { Button } from "../ui/Button/Button";
import { Dialog } from "../ui/Dialog/Dialog";
import { DialogProblem } from "../ui/Toast/DialogProblem";
import { TextField } from "../ui/Field/Field";
import { useSession, useVerb } from "../ui/session";

/** A visit without an appointment: a name, a reason, and the link to send. */
export function Invite({ onClose }: { onClose: () => void }) {
  const { t } = useWords();
  const session = useSession();
  const [name, setName] = useState("");
  const [reason, setReason] = useState("");
  const [empty, setEmpty] = useState(false);
  const [link, setLink] = useState<string | null>(null);
  const [copied, setCopied] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const [make, making] = useVerb(async () => {
    const made = await session.invite(name.trim(), reason.trim());
    setLink(made.link);
  });

  useEffect(() => {
    if (link !== null) field.current?.select();
  }, [link]);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() === "") setEmpty(true);
    else void make();
  };
  const copy = () => {
    if (link === null) return;
    field.current?.select();
    navigator.clipboard.writeText(link).then(
      () => setCopied(true),
      () => setCopied(false), // The text is selected: the keyboard's own copy works.
    );
  };

  if (link !== null) {
    return (
      <Dialog title={t("invite.made", { name: name.trim() })} onClose={onClose} closable key="made">
        <p>{t("invite.made-why")}</p>
        <TextField
          ref={field}
          label={t("invite.link")}
          value={link}
          readOnly
          onFocus={(event) => event.target.select()}
          data-testid="invite-link"
        />
        <p role="status" className="visually-hidden">
          {copied && t("invite.copied")}
        </p>
        <div className="who__actions">
          <Button kind="primary" icon={copied ? Tick : Copy} onClick={copy} data-testid="copy-link">
            {t(copied ? "invite.copied" : "invite.copy")}
          </Button>
          <Button
            onClick={() => {
              setLink(null);
              setName("");
              setReason("");
              setCopied(false);
            }}
          >
            {t("invite.again")}
          </Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title={t("invite.title")} onClose={onClose} key="form">
      <p>{t("invite.body")}</p>
      <form className="form" onSubmit={submit} noValidate>
        <TextField
          label={t("invite.name")}
          value={name}
          maxLength={Limits.lineChars}
          autoComplete="off"
          error={empty && name.trim() === "" ? t("invite.name-empty") : null}
          onChange={(event) => setName(event.target.value)}
          data-testid="invite-name"
        />
        <TextField
          label={t("invite.reason")}
          value={reason}
          maxLength={Limits.lineChars}
          autoComplete="off"
          onChange={(event) => setReason(event.target.value)}
          data-testid="invite-reason"
        />
        <div className="who__actions">
          <Button kind="primary" type="submit" busy={making} data-testid="invite-make">
            {making ? t("invite.making") : t("invite.make")}
          </Button>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
        </div>
      </form>
      <DialogProblem words={{ unavailable: "invite-unavailable" }} />
    </Dialog>
  );
}
