import { type FormEvent, useState } from "react";
import { useWords } from "../i18n";
import { PASSWORD_CHARS } from "../identity";
import { Button } from "../ui/Button/Button";
import { Check } from "../ui/Field/Field";
import { Notice } from "../ui/Notice/Notice";
import { useStaff } from "./context";
import { PasswordField } from "./fields";
import { Trouble } from "./Trouble";
import { useTry } from "./useTry";

/** Another password, for whoever knows the one there is. */
export function Password({ email, onChanged }: { email: string; onChanged: () => Promise<void> }) {
  const { t } = useWords();
  const { session } = useStaff();
  const [open, setOpen] = useState(false);
  const [old, setOld] = useState("");
  const [typed, setTyped] = useState("");
  const [endOthers, setEndOthers] = useState(true);
  const [sent, setSent] = useState(false);
  const [done, setDone] = useState(false);
  const change = useTry(async () => {
    await session.ask({ method: "POST", path: "/api/v1/me/password", body: { old, new: typed, endOthers } });
    setOpen(false);
    setOld("");
    setTyped("");
    setSent(false);
    setDone(true);
    await onChanged();
  });
  const length = [...typed].length;
  const wrong = length < PASSWORD_CHARS ? t("join.password-short", { count: length }) : typed.trim().toLowerCase() === email.toLowerCase() ? t("join.password-email") : null;
  const code = change.problem?.code;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSent(true);
    if (old !== "" && wrong === null) void change.run();
    else change.clear();
  };
  return (
    <section className="account__part" aria-labelledby="password-title">
      <h2 id="password-title">{t("account.password")}</h2>
      <div role="status">
        {done && (
          <Notice tone="good">
            <p>{t("account.password-changed")}</p>
          </Notice>
        )}
      </div>
      {open ? (
        <form className="form account__form" onSubmit={submit} noValidate>
          <input hidden type="email" name="username" autoComplete="username" value={email} readOnly />
          <PasswordField
            label={t("account.password-old")}
            autoComplete="current-password"
            value={old}
            onType={setOld}
            error={code === "sign-in-failed" ? t("account.password-wrong") : sent && old === "" ? t("staff.field-empty") : null}
            data-testid="old-password"
          />
          <PasswordField
            label={t("join.password")}
            hint={t("join.password-rule")}
            autoComplete="new-password"
            value={typed}
            onType={(value) => {
              setTyped(value);
              if (code === "invalid") change.clear();
            }}
            error={code === "invalid" ? t("join.password-refused") : sent ? wrong : null}
            data-testid="new-password"
          />
          <Check
            label={t("account.password-others")}
            checked={endOthers}
            onChange={(event) => setEndOthers(event.target.checked)}
            data-testid="end-others"
          />
          <Trouble problem={code === "sign-in-failed" || code === "invalid" ? null : change.problem} />
          <div className="proof__actions">
            <Button kind="primary" type="submit" busy={change.running} data-testid="save-password">
              {t(change.running ? "sign-in.working" : "account.password-save")}
            </Button>
            <Button onClick={() => setOpen(false)}>{t("common.cancel")}</Button>
          </div>
        </form>
      ) : (
        <div>
          <Button
            onClick={() => {
              setOpen(true);
              setDone(false);
            }}
            data-testid="change-password"
          >
            {t("account.password-change")}
          </Button>
        </div>
      )}
    </section>
  );
}
