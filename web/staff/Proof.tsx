import { type FormEvent, type ReactNode, useState } from "react";
import { useWords } from "../i18n";
import { CANCELLED, CODE_DIGITS, Problem, type Proof as Shown } from "../identity";
import { Button } from "../ui/Button/Button";
import { Choice } from "../ui/Choice/Choice";
import { useStaff, useStaffState } from "./context";
import { CodeField, PasswordField } from "./fields";
import { Trouble, useTrouble } from "./Trouble";
import { useTry } from "./useTry";

interface Props {
  /** Whose password, for the browser's own memory of them. */
  email: string;
  first: "password" | "code";
  action: string;
  show: (proof: Shown) => Promise<void>;
  /** At the lock five mistakes end the session, and the words say so. */
  lock?: boolean;
  others?: ReactNode;
}

/** One factor again: the password or a code, whichever is nearer. */
export function Proof({ email, first, action, show, lock, others }: Props) {
  const { t } = useWords();
  const trouble = useTrouble();
  const { session } = useStaff();
  const ways = useStaffState().who?.ways ?? { password: true, passkey: false, provider: false };
  const passkey = ways.passkey && session.hasPasskeys;
  const [by, setBy] = useState<"passkey" | "password" | "code">(passkey ? "passkey" : first);
  const [typed, setTyped] = useState("");
  const [sent, setSent] = useState(false);
  const check = useTry(async () => {
    try {
      if (by === "passkey") await show(await session.showPasskey());
      else await show(by === "password" ? { password: typed } : { code: typed });
    } catch (problem) {
      if (problem instanceof Problem && problem.code === CANCELLED) return;
      if (by === "password") setTyped("");
      throw problem;
    }
  });
  const refused = check.problem?.code === "wrong-code" || check.problem?.code === "sign-in-failed";
  const mistaken = (problem: Problem) =>
    by === "password" || lock === true
      ? t(by === "password" ? "lock.wrong-password" : "lock.wrong-code")
      : `${trouble(problem).what}. ${trouble(problem).todo}`;
  const whole = by === "passkey" || (by === "password" ? typed !== "" : typed.length === CODE_DIGITS);
  const error =
    refused && check.problem !== null
      ? mistaken(check.problem)
      : sent && !whole
        ? t(by === "password" ? "staff.field-empty" : "sign-in.code-short")
        : null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSent(!whole);
    if (whole) void check.run();
    else check.clear();
  };
  return (
    <form className="form" onSubmit={submit} noValidate>
      {!ways.password && !passkey && <p>{t("proof.none")}</p>}
      {ways.password && <Choice
        legend={t(lock === true ? "lock.how" : "confirm.how")}
        tiles
        testIds
        options={[
          ...(passkey ? [{ value: "passkey" as const, label: t("lock.passkey") }] : []),
          { value: "password", label: t("lock.password") },
          { value: "code", label: t("lock.code") },
        ]}
        chosen={by}
        onChoose={(way) => {
          setBy(way);
          setTyped("");
          setSent(false);
          check.clear();
        }}
      />}
      <Trouble problem={refused ? null : check.problem} />
      <input hidden type="email" autoComplete="username" value={email} readOnly />
      {by === "passkey" || !ways.password ? null : by === "password" ? (
        <PasswordField
          label={t("sign-in.password")}
          autoComplete="current-password"
          value={typed}
          onType={setTyped}
          error={error}
          data-testid="password"
        />
      ) : (
        <CodeField label={t("sign-in.code")} hint={t("sign-in.code-why")} value={typed} onType={setTyped} error={error} />
      )}
      <div className="proof__actions">
        {(ways.password || passkey) && (
          <Button kind="primary" type="submit" busy={check.running} data-testid="show-proof">
            {check.running ? t(by === "passkey" ? "passkey.waiting" : "sign-in.working") : action}
          </Button>
        )}
        {others}
      </div>
    </form>
  );
}
