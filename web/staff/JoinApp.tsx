import { KeyRound } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import { useWords } from "../i18n";
import { type Expected, homeOf, PASSWORD_CHARS, Problem } from "../identity";
import { Button } from "../ui/Button/Button";
import { deviceName, rememberClinic, rememberedClinic, rememberPasskey, useStaff } from "./context";
import { PasswordField } from "./fields";
import { JoinAuthenticator } from "./JoinAuthenticator";
import { JoinCodes } from "./JoinCodes";
import { RoleNames } from "./Roles";
import { Sheet } from "./Sheet";
import "./staff.css";
import { Trouble } from "./Trouble";
import { useHeading } from "./useHeading";
import { useTry } from "./useTry";

type Step = "password" | "app" | "codes" | "done";

/** From an invitation to somebody who is signed in: password, app, recovery codes. `secret` is the link's. */
export function JoinApp({ secret }: { secret: string | null }) {
  const { t } = useWords();
  const { session, go } = useStaff();
  const [expected, setExpected] = useState<Expected | null>(null);
  const [step, setStep] = useState<Step>("password");
  const [password, setPassword] = useState("");
  const [refused, setRefused] = useState(false);
  const [renewed, setRenewed] = useState(false);
  const [codes, setCodes] = useState<readonly string[]>([]);
  const [byPasskey, setByPasskey] = useState(false);
  const clinic = expected?.unit ?? rememberedClinic();

  const look = useTry(async () => {
    if (secret === null) return;
    const found = await session.look(secret);
    rememberClinic(found.unit);
    setExpected(found);
  });
  // Once: the link does not change while the page is open.
  useEffect(() => void look.run(), []);

  const connect = useTry(async (code: string) => {
    if (expected === null) return;
    try {
      setCodes(await session.join(expected.ticket, password, code));
      setPassword("");
      setStep("codes");
    } catch (problem) {
      if (problem instanceof Problem && problem.code === "invalid") {
        setRefused(true);
        setStep("password");
        return;
      }
      if (problem instanceof Problem && problem.code === "begin-again" && secret !== null) {
        setExpected(await session.look(secret));
        setRenewed(true);
        return;
      }
      throw problem;
    }
  });

  const withPasskey = useTry(async () => {
    if (expected?.publicKey === undefined || secret === null) return;
    try {
      await session.joinWithPasskey(expected.ticket, expected.publicKey, deviceName());
    } catch (problem) {
      // The link still works; the challenge does not.
      if (problem instanceof Problem && problem.code === "begin-again") setExpected(await session.look(secret));
      throw problem;
    }
    rememberPasskey();
    setByPasskey(true);
    on();
  });

  const on = () => {
    const { who } = session.state;
    const home = who === null ? null : homeOf(who.person.roles);
    if (home === null) setStep("done");
    else go(home);
  };

  return (
    <Sheet clinic={clinic} title={t("join.page-title")}>
      {secret === null ? (
        <div className="sheet__form">
          <h1>{t("join.no-secret-title")}</h1>
          <p>{t("join.no-secret")}</p>
        </div>
      ) : expected === null ? (
        <Opening problem={look.problem} onAgain={() => void look.run()} />
      ) : step === "password" ? (
        <Password
          expected={expected}
          password={password}
          onPassword={(typed) => {
            setPassword(typed);
            setRefused(false);
          }}
          refused={refused}
          onDone={() => setStep("app")}
          passkey={session.hasPasskeys && expected.publicKey !== undefined ? withPasskey : null}
        />
      ) : step === "app" ? (
        <JoinAuthenticator expected={expected} connect={connect} renewed={renewed} onBack={() => setStep("password")} />
      ) : step === "codes" ? (
        <JoinCodes expected={expected} codes={codes} onDone={on} />
      ) : (
        <Done unit={expected.unit} byPasskey={byPasskey} />
      )}
    </Sheet>
  );
}

function Opening({ problem, onAgain }: { problem: Problem | null; onAgain: () => void }) {
  const { t } = useWords();
  const gone = problem?.code === "no-invitation";
  return (
    <div className="sheet__form">
      <h1>{t(problem === null ? "join.looking" : "join.page-title")}</h1>
      <Trouble
        problem={problem}
        actions={
          gone ? undefined : (
            <Button onClick={onAgain} data-testid="try-again">
              {t("common.try-again")}
            </Button>
          )
        }
      />
    </div>
  );
}

interface PasswordProps {
  expected: Expected;
  password: string;
  onPassword: (password: string) => void;
  /** By the server: on everybody's list. */
  refused: boolean;
  onDone: () => void;
  /** Makes a passkey instead; none where there are none. */
  passkey: ReturnType<typeof useTry<[]>> | null;
}

function Password({ expected, password, onPassword, refused, onDone, passkey }: PasswordProps) {
  const { t } = useWords();
  const { person, unit } = expected;
  const [sent, setSent] = useState(false);
  const heading = useHeading(refused);
  const length = [...password].length;
  const wrong =
    length < PASSWORD_CHARS
      ? t("join.password-short", { count: length })
      : password.trim().toLowerCase() === person.email.toLowerCase()
        ? t("join.password-email")
        : null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSent(true);
    if (wrong === null && !refused) onDone();
  };
  return (
    <form className="sheet__form" onSubmit={submit} noValidate>
      <div className="sheet__head">
        <h1 ref={heading} tabIndex={-1}>
          {t("join.title", { name: person.name })}
        </h1>
        <p>{t("join.where", { unit })}</p>
      </div>
      <dl className="facts">
        <div>
          <dt>{t("join.as")}</dt>
          <dd>
            <RoleNames roles={person.roles} />
          </dd>
        </div>
        <div>
          <dt>{t("join.email")}</dt>
          <dd>{person.email}</dd>
        </div>
      </dl>
      {passkey !== null && (
        <div className="sheet__head sheet__part">
          <h2>{t("join.passkey-title")}</h2>
          <p>{t("join.passkey-why")}</p>
          <Trouble problem={passkey.problem} />
          <Button icon={KeyRound} wide busy={passkey.running} onClick={() => void passkey.run()} data-testid="join-passkey">
            {t(passkey.running ? "passkey.waiting" : "join.passkey")}
          </Button>
        </div>
      )}
      <div className="sheet__head sheet__part">
        <p className="quiet small">{t("join.step", { step: 1 })}</p>
        <h2>{t(passkey === null ? "join.password-title" : "join.password-instead")}</h2>
      </div>
      {/* For the browser's own memory of passwords: whose this one is. */}
      <input hidden type="email" name="username" autoComplete="username" value={person.email} readOnly />
      <PasswordField
        label={t("join.password")}
        hint={t("join.password-rule")}
        name="new-password"
        autoComplete="new-password"
        value={password}
        onType={onPassword}
        error={refused ? t("join.password-refused") : sent ? wrong : null}
        data-testid="password"
      />
      <Button kind="primary" type="submit" wide data-testid="next">
        {t("join.next")}
      </Button>
    </form>
  );
}

function Done({ unit, byPasskey }: { unit: string; byPasskey: boolean }) {
  const { t } = useWords();
  return (
    <div className="sheet__form" data-testid="joined">
      <h1>{t("join.done-title", { unit })}</h1>
      <p>{t(byPasskey ? "join.done-passkey" : "join.done")}</p>
      <p>{t("join.done-now")}</p>
    </div>
  );
}
