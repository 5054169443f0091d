import { Building2, KeyRound } from "lucide-react";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { type Key, hasWords, useWords } from "../i18n";
import { CANCELLED, homeOf, Problem, returnPath, type Surroundings } from "../identity";
import { Button } from "../ui/Button/Button";
import { TextField } from "../ui/Field/Field";
import { Notice } from "../ui/Notice/Notice";
import { passkeyWasUsed, rememberClinic, rememberPasskey, useClinicName, useStaff, useStaffState } from "./context";
import { CodeField, PasswordField, wholeRecovery } from "./fields";
import { Sheet } from "./Sheet";
import "../ui/Choice/Choice.css";
import "./staff.css";
import { Trouble, useTrouble } from "./Trouble";
import { useHeading } from "./useHeading";
import { useTry } from "./useTry";

/** Two factors, one page each. `query` is the address's: where to go on (`to`), and how the last session `ended`. */
export function SignInApp({ query }: { query: URLSearchParams }) {
  const { t } = useWords();
  const { who } = useStaffState();
  const { session, go } = useStaff();
  const [clinic, setClinic] = useClinicName();
  const [email, setEmail] = useState("");
  const [surroundings, setSurroundings] = useState<Surroundings>("ward");
  const [ticket, setTicket] = useState<string | null>(null);
  const [late, setLate] = useState<Problem | null>(() => {
    const code = query.get("problem");
    return code === null ? null : new Problem(code);
  });

  const signedIn = () => {
    const { who: now } = session.state;
    if (now === null) return;
    rememberClinic(now.unit.name);
    setClinic(now.unit.name);
    const to = returnPath(query.get("to"), location.origin) ?? homeOf(now.person.roles);
    if (to !== null) go(to);
  };
  // Back from the hospital's own sign-in: the cookie is here, the rest is asked for.
  useEffect(() => {
    if (query.get("provider") !== "done") return;
    void session.resume().then(() => {
      if (session.state.is === "signed-in") signedIn();
    });
  }, []);
  const done = who !== null && returnPath(query.get("to"), location.origin) === null && homeOf(who.person.roles) === null;

  return (
    <Sheet clinic={clinic} title={t("sign-in.title")}>
      {done ? (
        <Arrived name={who.person.name} />
      ) : ticket === null ? (
        <First
          ended={late === null ? query.get("ended") : null}
          late={late}
          email={email}
          onEmail={setEmail}
          shared={surroundings === "shared"}
          onShared={(shared) => setSurroundings(shared ? "shared" : "ward")}
          onTicket={setTicket}
          onDone={signedIn}
          to={returnPath(query.get("to"), location.origin) ?? ""}
        />
      ) : (
        <Second
          email={email.trim()}
          ticket={ticket}
          surroundings={surroundings}
          onDone={signedIn}
          onBack={(problem) => {
            setTicket(null);
            setLate(problem);
          }}
        />
      )}
    </Sheet>
  );
}

interface FirstProps {
  ended: string | null;
  late: Problem | null;
  email: string;
  onEmail: (email: string) => void;
  shared: boolean;
  onShared: (shared: boolean) => void;
  onTicket: (ticket: string) => void;
  /** By a passkey: both factors at once. */
  onDone: () => void;
  /** Where somebody wanted to go. */
  to: string;
}

function First({ ended, late, email, onEmail, shared, onShared, onTicket, onDone, to }: FirstProps) {
  const { t } = useWords();
  const { session, go } = useStaff();
  const trouble = useTrouble();
  const [provider, setProvider] = useState<string | null>(null);
  useEffect(() => {
    let here = true;
    void session.offered().then((offered) => {
      if (here) setProvider(offered.provider);
    });
    return () => {
      here = false;
    };
  }, [session]);
  const [password, setPassword] = useState("");
  const [sent, setSent] = useState(false);
  const check = useTry(async () => onTicket(await session.signIn(email.trim(), password)));
  const wrong = check.problem?.code === "sign-in-failed" ? trouble(check.problem) : null;
  const passkey = usePasskeys(shared ? "shared" : "ward", onDone);
  // First where one was used before; where not, most have none.
  const before = session.hasPasskeys && passkeyWasUsed();
  const offer = session.hasPasskeys && (
    <Button kind={before ? "primary" : "plain"} icon={KeyRound} wide busy={passkey.running} onClick={() => void passkey.run()} data-testid="passkey">
      {t(passkey.running ? "passkey.waiting" : "sign-in.passkey")}
    </Button>
  );

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSent(true);
    if (email.trim() !== "" && password !== "") void check.run();
    else check.clear();
  };
  const empty = (value: string) => (sent && value.trim() === "" ? t("staff.field-empty") : null);
  const because = `ended.${ended}`;

  return (
    <form className="sheet__form" onSubmit={submit} noValidate>
      <h1>{t("sign-in.title")}</h1>
      {ended !== null && hasWords(because) && (
        <Notice tone={ended === "theft" ? "danger" : ended === "signed-out" ? "good" : "plain"}>
          <p>{t(because as Key & "ended.expired")}</p>
        </Notice>
      )}
      <Trouble problem={passkey.problem ?? late ?? (wrong === null ? check.problem : null)} />
      {before && (
        <>
          {offer}
          <p className="or quiet">{t("sign-in.or")}</p>
        </>
      )}
      <TextField
        label={t("sign-in.email")}
        type="email"
        name="username"
        // Browsers that can offer passkeys here, among the addresses they remember.
        autoComplete="username webauthn"
        autoCapitalize="none"
        spellCheck={false}
        value={email}
        error={empty(email)}
        onChange={(event) => onEmail(event.target.value)}
        data-testid="email"
      />
      <PasswordField
        label={t("sign-in.password")}
        name="password"
        autoComplete="current-password"
        value={password}
        onType={setPassword}
        error={empty(password) ?? (wrong === null ? null : `${wrong.what}. ${wrong.todo}`)}
        data-testid="password"
      />
      <label className="check check--why">
        <input type="checkbox" checked={shared} onChange={(event) => onShared(event.target.checked)} data-testid="shared" />
        <span className="choice__words">
          <span>{t("sign-in.shared")}</span>
          <span className="choice__why">{t("sign-in.shared-why")}</span>
        </span>
      </label>
      <Button kind={before ? "plain" : "primary"} type="submit" wide busy={check.running} data-testid="next">
        {t(check.running ? "sign-in.working" : "sign-in.next")}
      </Button>
      {!before && offer}
      {provider !== null && (
        <Button
          icon={Building2}
          wide
          onClick={() => go(`/api/v1/auth/provider?${new URLSearchParams({ surroundings: shared ? "shared" : "ward", to })}`)}
          data-testid="provider"
        >
          {t("sign-in.provider", { name: provider })}
        </Button>
      )}
      <p className="quiet small">{t("sign-in.forgot")}</p>
    </form>
  );
}

/** A passkey at the button, and offered in the field until then. */
function usePasskeys(surroundings: Surroundings, onDone: () => void) {
  const { session } = useStaff();
  const now = useRef({ surroundings, onDone });
  now.current = { surroundings, onDone };
  const offering = useRef<AbortController | null>(null);
  const done = () => {
    rememberPasskey();
    now.current.onDone();
  };
  useEffect(() => {
    const ends = new AbortController();
    offering.current = ends;
    session.offerPasskeys(() => now.current.surroundings, ends.signal).then(
      () => {
        if (session.state.is === "signed-in") done();
      },
      () => undefined, // Nobody asked for it: the page has its other ways.
    );
    return () => ends.abort();
    // Once: what changes is read when it is needed.
  }, [session]);
  return useTry(async () => {
    // A browser asks for one passkey at a time.
    offering.current?.abort();
    try {
      await session.signInWithPasskey(now.current.surroundings);
    } catch (problem) {
      if (problem instanceof Problem && problem.code === CANCELLED) return;
      throw problem;
    }
    done();
  });
}

interface SecondProps {
  email: string;
  ticket: string;
  surroundings: Surroundings;
  onDone: () => void;
  onBack: (problem: Problem | null) => void;
}

function Second({ email, ticket, surroundings, onDone, onBack }: SecondProps) {
  const { t } = useWords();
  const { session } = useStaff();
  const trouble = useTrouble();
  const [recovery, setRecovery] = useState(false);
  const [typed, setTyped] = useState("");
  const [short, setShort] = useState(false);
  const heading = useHeading(recovery);
  const check = useTry(async () => {
    try {
      await session.second(ticket, recovery ? { recoveryCode: typed } : { code: typed }, surroundings);
    } catch (problem) {
      // The ticket is over, or the account changed meanwhile: from the start.
      if (problem instanceof Problem && ["begin-again", "sign-in-failed"].includes(problem.code)) onBack(problem);
      throw problem;
    }
    onDone();
  });
  const refused = check.problem?.code === "wrong-code";
  const wrong = refused ? trouble(new Problem(recovery ? "wrong-recovery" : "wrong-code")) : null;
  const whole = recovery ? wholeRecovery(typed) : typed.length === 6;
  const error =
    wrong !== null
      ? `${wrong.what}. ${wrong.todo}`
      : short && !whole
        ? t(recovery ? "sign-in.recovery-short" : "sign-in.code-short")
        : null;

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setShort(!whole);
    if (whole) void check.run();
    else check.clear();
  };
  const change = () => {
    setRecovery(!recovery);
    setTyped("");
    setShort(false);
    check.clear();
  };

  return (
    <form className="sheet__form" onSubmit={submit} noValidate>
      <div className="sheet__head">
        <h1 ref={heading} tabIndex={-1}>
          {t(recovery ? "sign-in.recovery-title" : "sign-in.code-title")}
        </h1>
        <p className="quiet">{t("sign-in.as", { email })}</p>
      </div>
      <Trouble problem={refused ? null : check.problem} />
      {recovery ? (
        <TextField
          key="recovery"
          label={t("sign-in.recovery")}
          hint={t("sign-in.recovery-why")}
          value={typed}
          error={error}
          maxLength={40}
          autoComplete="off"
          autoCapitalize="characters"
          spellCheck={false}
          onChange={(event) => setTyped(event.target.value)}
          data-testid="recovery"
        />
      ) : (
        <CodeField key="code" label={t("sign-in.code")} hint={t("sign-in.code-why")} value={typed} onType={setTyped} error={error} autoFocus />
      )}
      <Button kind="primary" type="submit" wide busy={check.running} data-testid="finish">
        {t(check.running ? "sign-in.working" : "sign-in.finish")}
      </Button>
      <div className="sheet__ways">
        <Button kind="quiet" onClick={change} data-testid="other-way">
          {t(recovery ? "sign-in.use-app" : "sign-in.use-recovery")}
        </Button>
        <Button kind="quiet" onClick={() => onBack(null)} data-testid="start-again">
          {t("sign-in.other")}
        </Button>
      </div>
    </form>
  );
}

function Arrived({ name }: { name: string }) {
  const { t } = useWords();
  const { session, go } = useStaff();
  const { who } = useStaffState();
  const leave = useTry(async () => {
    await session.signOut();
    go("/sign-in?ended=signed-out");
  });
  return (
    <div className="sheet__form" data-testid="arrived">
      <h1>{t("sign-in.done-title")}</h1>
      <p>{t("sign-in.done", { name })}</p>
      <Trouble problem={leave.problem} />
      {who?.person.roles.includes("clinician") === true && (
        <p>
          <a href="/admin#emergency">{t("sign-in.emergency")}</a>
        </p>
      )}
      <div className="proof__actions">
        <Button kind="primary" onClick={() => go("/account")} data-testid="own-account">
          {t("account.title")}
        </Button>
        <Button busy={leave.running} onClick={() => void leave.run()}>
          {t("admin.sign-out")}
        </Button>
      </div>
    </div>
  );
}
