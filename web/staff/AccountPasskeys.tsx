import { KeyRound, Plus } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useWords } from "../i18n";
import { dayAndTime } from "../i18n/time";
import { CANCELLED, type Me, type OwnPasskey, PASSKEY_NAME_CHARS, Problem } from "../identity";
import type { NewPasskey } from "../identity/session";
import { Button } from "../ui/Button/Button";
import { Dialog } from "../ui/Dialog/Dialog";
import { TextField } from "../ui/Field/Field";
import { Icon } from "../ui/Icon/Icon";
import { useAnnounce } from "../ui/Live/Live";
import { deviceName, useStaff } from "./context";
import { Trouble } from "./Trouble";
import { useTry } from "./useTry";

interface Props {
  me: Me;
  onChanged: () => Promise<void>;
}

/** Passkeys by their names: one more, or one less. */
export function Passkeys({ me, onChanged }: Props) {
  const { t, language } = useWords();
  const { session } = useStaff();
  const announce = useAnnounce();
  const [adding, setAdding] = useState<NewPasskey | null>(null);
  const [removing, setRemoving] = useState<OwnPasskey | null>(null);
  const usable = session.hasPasskeys && me.ways.passkeys;
  const begin = useTry(async () => setAdding(await session.askForNewPasskey()));
  const remove = useTry(async ({ id, name }: OwnPasskey) => {
    await session.ask({ method: "DELETE", path: `/api/v1/me/passkeys/${id}` });
    await onChanged();
    announce(t("passkey.removed", { name }));
  });
  const when = (at: number) => dayAndTime(at, Date.now(), language);
  return (
    <section className="account__part" aria-labelledby="passkeys-title">
      <h2 id="passkeys-title">{t("passkey.title")}</h2>
      <p>{t("passkey.why")}</p>
      {me.passkeys.length > 0 && (
        <ul className="own-list" data-testid="passkeys">
          {me.passkeys.map((passkey) => (
            <li key={passkey.id}>
              <Icon of={KeyRound} />
              <div>
                <p>
                  <strong>{passkey.name}</strong>
                </p>
                <p className="quiet small">
                  {passkey.shownAt === null ? t("passkey.added", { when: when(passkey.addedAt) }) : t("passkey.shown", { when: when(passkey.shownAt) })}
                </p>
              </div>
              <Button aria-label={t("passkey.remove-this", { name: passkey.name })} busy={remove.running} onClick={() => setRemoving(passkey)} data-testid="remove-passkey">
                {t("passkey.remove")}
              </Button>
            </li>
          ))}
        </ul>
      )}
      <Trouble problem={remove.problem ?? begin.problem} />
      {usable ? (
        <div>
          <Button icon={Plus} busy={begin.running} onClick={() => void begin.run()} data-testid="add-passkey">
            {t("passkey.add")}
          </Button>
        </div>
      ) : (
        <p className="quiet">{t("passkey.unusable")}</p>
      )}
      {adding !== null && (
        <Adding
          asked={adding}
          onClose={() => setAdding(null)}
          onAdded={async (name) => {
            setAdding(null);
            await onChanged();
            announce(t("passkey.is-added", { name }));
          }}
        />
      )}
      {removing !== null && (
        <Dialog
          title={t("passkey.remove-title", { name: removing.name })}
          onClose={() => setRemoving(null)}
          actions={
            <>
              <Button
                kind="danger"
                onClick={() => {
                  setRemoving(null);
                  void remove.run(removing);
                }}
                data-testid="yes"
              >
                {t("passkey.remove")}
              </Button>
              <Button onClick={() => setRemoving(null)}>{t("person.keep")}</Button>
            </>
          }
        >
          <p>{t("passkey.remove-body")}</p>
        </Dialog>
      )}
    </section>
  );
}

interface AddingProps {
  asked: NewPasskey;
  onClose: () => void;
  onAdded: (name: string) => Promise<void>;
}

/** Its name, and then the device's own question. */
function Adding({ asked, onClose, onAdded }: AddingProps) {
  const { t } = useWords();
  const { session } = useStaff();
  const [name, setName] = useState(deviceName);
  const [sent, setSent] = useState(false);
  const make = useTry(async () => {
    try {
      await session.addPasskey(asked, name.trim());
    } catch (problem) {
      if (problem instanceof Problem && problem.code === CANCELLED) return;
      throw problem;
    }
    await onAdded(name.trim());
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSent(true);
    if (name.trim() !== "") void make.run();
  };
  return (
    <Dialog title={t("passkey.add")} onClose={onClose}>
      <form className="form account__form" onSubmit={submit} noValidate>
        <p>{t("passkey.add-body")}</p>
        <TextField
          label={t("passkey.name")}
          hint={t("passkey.name-why")}
          value={name}
          maxLength={PASSKEY_NAME_CHARS}
          error={sent && name.trim() === "" ? t("staff.field-empty") : null}
          onChange={(event) => setName(event.target.value)}
          data-testid="passkey-name"
        />
        <Trouble problem={make.problem} />
        <div className="proof__actions">
          <Button kind="primary" type="submit" busy={make.running} data-testid="make-passkey">
            {t(make.running ? "passkey.waiting" : "passkey.make")}
          </Button>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
        </div>
      </form>
    </Dialog>
  );
}
