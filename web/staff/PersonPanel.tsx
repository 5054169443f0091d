import { ArrowLeft } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useWords } from "../i18n";
import type { Invited, Listed, StaffRole } from "../identity";
import { Button } from "../ui/Button/Button";
import { Dialog } from "../ui/Dialog/Dialog";
import { useAnnounce } from "../ui/Live/Live";
import { useStaff } from "./context";
import { CopyField } from "./fields";
import { Duties } from "./Duties";
import { State } from "./PeopleTable";
import { Rights } from "./Rights";
import { RoleChecks, RoleNames } from "./Roles";
import { Trouble } from "./Trouble";
import { useArrival } from "./useHeading";
import { useTry } from "./useTry";

interface Props {
  person: Listed;
  oneself: boolean;
  /** Whoever looks may change things. */
  changes: boolean;
  /** A link that was made just now. */
  link: string | null;
  onChanged: (person: Listed, link?: string) => void;
  onClose: () => void;
}

/** One person: what they are, what they may do, and what can be changed about it. */
export function PersonPanel({ person, oneself, changes, link, onChanged, onClose }: Props) {
  const { t } = useWords();
  const heading = useArrival();
  const clinical = person.roles.includes("clinician");
  return (
    <article className="person" aria-labelledby="person-name">
      <Button kind="quiet" icon={ArrowLeft} className="person__back" onClick={onClose} data-testid="back">
        {t("person.back")}
      </Button>
      <div className="sheet__head">
        <h1 id="person-name" ref={heading} tabIndex={-1}>
          {person.name}
        </h1>
        <p className="person__mail">{person.email}</p>
        <p>
          <State of={person.state} />
        </p>
        {clinical && (!changes || oneself) && (
          <p className="quiet">
            {person.duties.length === 0 ? t("person.serves-none") : t("person.serves", { count: person.duties.length })}
          </p>
        )}
      </div>
      {link !== null && (
        <div className="person__link">
          <p>{t("new.made-why", { email: person.email })}</p>
          <CopyField label={t("new.link")} value={link} testId="link" primary />
        </div>
      )}
      {changes && !oneself ? (
        <>
          <RolesForm person={person} onChanged={onChanged} />
          {clinical && <Duties person={person} onChanged={onChanged} />}
        </>
      ) : (
        <>
          <div>
            <h2>{t("admin.roles")}</h2>
            <p>
              <RoleNames roles={person.roles} />
            </p>
          </div>
          {oneself && changes && <p className="quiet">{t("person.oneself")}</p>}
        </>
      )}
      <Rights person={person} />
      {changes && !oneself && <Access person={person} onChanged={onChanged} />}
    </article>
  );
}

const same = (one: readonly StaffRole[], other: readonly StaffRole[]) =>
  one.length === other.length && one.every((role) => other.includes(role));

function RolesForm({ person, onChanged }: { person: Listed; onChanged: Props["onChanged"] }) {
  const { t } = useWords();
  const { session } = useStaff();
  const announce = useAnnounce();
  const [roles, setRoles] = useState<readonly StaffRole[]>(person.roles);
  const [sent, setSent] = useState(false);
  const save = useTry(async () => {
    onChanged(await session.ask<Listed>({ method: "PATCH", path: `/api/v1/people/${person.id}`, body: { roles } }));
    announce(t("person.saved", { name: person.name }));
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSent(true);
    if (roles.length > 0) void save.run();
  };
  const changed = !same(roles, person.roles);
  return (
    <form className="form" onSubmit={submit} noValidate>
      <RoleChecks chosen={roles} onChoose={setRoles} error={sent && roles.length === 0 ? t("role.none") : null} />
      <Trouble problem={save.problem} />
      {changed && (
        <div className="proof__actions">
          <Button kind="primary" type="submit" busy={save.running} data-testid="save-roles">
            {t("person.save")}
          </Button>
          <Button onClick={() => setRoles(person.roles)}>{t("common.cancel")}</Button>
        </div>
      )}
    </form>
  );
}

type Asked = "disable" | "enable" | "again";

function Access({ person, onChanged }: { person: Listed; onChanged: Props["onChanged"] }) {
  const { t } = useWords();
  const { session } = useStaff();
  const announce = useAnnounce();
  const [asked, setAsked] = useState<Asked | null>(null);
  const act = useTry(async (what: Asked) => {
    if (what === "again") {
      const { invitation, ...listed } = await session.ask<Invited>({ method: "POST", path: `/api/v1/people/${person.id}/invitation` });
      onChanged(listed, invitation);
      announce(t("new.made", { name: person.name }));
      return;
    }
    const body = { disabled: what === "disable" };
    onChanged(await session.ask<Listed>({ method: "PATCH", path: `/api/v1/people/${person.id}`, body }));
    announce(t(what === "disable" ? "person.disabled" : "person.enabled", { name: person.name }));
  });
  const ways: readonly Asked[] = person.state === "disabled" ? ["enable"] : ["again", "disable"];
  const { name } = person;
  return (
    <section className="access" aria-labelledby="access-title">
      <h2 id="access-title">{t("person.access")}</h2>
      <Trouble problem={act.problem} />
      {ways.map((way) => (
        <div key={way} className="access__way">
          <Button busy={act.running} onClick={() => setAsked(way)} data-testid={way}>
            {t(`person.${way}`)}
          </Button>
          <p className="quiet small">{t(`person.${way}-why`)}</p>
        </div>
      ))}
      {asked !== null && (
        <Dialog
          title={t(`person.${asked}-title`, { name })}
          onClose={() => setAsked(null)}
          actions={
            <>
              <Button
                kind={asked === "enable" ? "primary" : "danger"}
                onClick={() => {
                  setAsked(null);
                  void act.run(asked);
                }}
                data-testid="yes"
              >
                {t(`person.${asked}-yes`)}
              </Button>
              <Button onClick={() => setAsked(null)}>{t("person.keep")}</Button>
            </>
          }
        >
          <p>{t(asked === "again" && person.state !== "active" ? "person.again-body-invited" : `person.${asked}-body`)}</p>
        </Dialog>
      )}
    </section>
  );
}
