import { ArrowLeft } from "lucide-react";
import { type FormEvent, type ReactNode, useState } from "react";
import { useWords } from "../i18n";
import { type Invited, type Listed, Problem, type StaffRole } from "../identity";
import { Button } from "../ui/Button/Button";
import { TextField } from "../ui/Field/Field";
import { useStaff } from "./context";
import { CopyField } from "./fields";
import { RoleChecks } from "./Roles";
import { Trouble } from "./Trouble";
import { useArrival } from "./useHeading";
import { useTry } from "./useTry";

interface Props {
  onClose: () => void;
  onMade: (person: Listed) => void;
  /** Shows somebody who is here already. */
  onShow: (id: string) => void;
  /** Whether they are in the list as it is shown. */
  known: (id: string) => boolean;
}

/** Somebody new: who they are and what as; then their link, once. */
export function NewPerson({ onClose, onMade, onShow, known }: Props) {
  const { t } = useWords();
  const { session } = useStaff();
  const [email, setEmail] = useState("");
  const [name, setName] = useState("");
  const [roles, setRoles] = useState<StaffRole[]>([]);
  const [sent, setSent] = useState(false);
  const [made, setMade] = useState<Invited | null>(null);
  const make = useTry(async () => {
    const invited = await session.ask<Invited>({
      method: "POST",
      path: "/api/v1/people",
      body: { email: email.trim(), name: name.trim(), roles },
    });
    const { invitation: _, ...listed } = invited;
    onMade(listed);
    setMade(invited);
  });
  const refused = make.problem?.code === "invalid" ? make.problem.detail.field : undefined;
  const empty = (value: string) => (sent && value.trim() === "" ? t("staff.field-empty") : null);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSent(true);
    if (email.trim() !== "" && name.trim() !== "" && roles.length > 0) void make.run();
    else make.clear();
  };

  return (
    <article className="person" aria-labelledby="new-title">
      <Button kind="quiet" icon={ArrowLeft} className="person__back" onClick={onClose} data-testid="back">
        {t("person.back")}
      </Button>
      {made !== null ? (
        <Made
          made={made}
          onAgain={() => {
            setMade(null);
            setEmail("");
            setName("");
            setRoles([]);
            setSent(false);
          }}
        />
      ) : (
        <form className="form" onSubmit={submit} noValidate>
          <Head />
          <Trouble
            problem={refused === undefined ? make.problem : null}
            actions={already(make.problem, known, (id) => (
              <Button onClick={() => onShow(id)} data-testid="show-existing">
                {t("new.exists-open")}
              </Button>
            ))}
          />
          <TextField
            label={t("new.email")}
            hint={t("new.email-why")}
            type="email"
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            maxLength={254}
            value={email}
            error={refused === "email" ? t("new.email-wrong") : empty(email)}
            onChange={(event) => setEmail(event.target.value)}
            data-testid="new-email"
          />
          <TextField
            label={t("new.name")}
            hint={t("new.name-why")}
            autoComplete="off"
            maxLength={100}
            value={name}
            error={refused === "name" ? t("new.name-wrong") : empty(name)}
            onChange={(event) => setName(event.target.value)}
            data-testid="new-name"
          />
          <RoleChecks chosen={roles} onChoose={setRoles} error={sent && roles.length === 0 ? t("role.none") : null} />
          <div className="proof__actions">
            <Button kind="primary" type="submit" busy={make.running} data-testid="make">
              {t(make.running ? "new.making" : "new.make")}
            </Button>
            <Button onClick={onClose}>{t("common.cancel")}</Button>
          </div>
        </form>
      )}
    </article>
  );
}

function already(problem: Problem | null, known: (id: string) => boolean, button: (id: string) => ReactNode) {
  const id = problem?.detail.person;
  return id !== undefined && known(id) ? button(id) : undefined;
}

function Head() {
  const { t } = useWords();
  const heading = useArrival();
  return (
    <div className="sheet__head">
      <h1 id="new-title" ref={heading} tabIndex={-1}>
        {t("new.title")}
      </h1>
      <p className="quiet">{t("new.body")}</p>
    </div>
  );
}

function Made({ made, onAgain }: { made: Invited; onAgain: () => void }) {
  const { t } = useWords();
  const heading = useArrival();
  return (
    <div className="form">
      <h1 id="new-title" ref={heading} tabIndex={-1}>
        {t("new.made", { name: made.name })}
      </h1>
      <p>{t("new.made-why", { email: made.email })}</p>
      <CopyField label={t("new.link")} value={made.invitation} testId="link" primary />
      <div>
        <Button onClick={onAgain} data-testid="another">
          {t("new.again")}
        </Button>
      </div>
    </div>
  );
}
