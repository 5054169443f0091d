import { Check as Tick, Minus } from "lucide-react";
import { useEffect, useState } from "react";
import { hasWords, type Key, useWords } from "../i18n";
import type { Listed, Right } from "../identity";
import { Button } from "../ui/Button/Button";
import { Icon } from "../ui/Icon/Icon";
import { useStaff } from "./context";
import { Trouble } from "./Trouble";
import { useTry } from "./useTry";

/** "What can this person see?", answered by the rules themselves. Asked anew whenever the person changes. */
export function Rights({ person }: { person: Listed }) {
  const { t } = useWords();
  const { session } = useStaff();
  const [open, setOpen] = useState(false);
  const [rights, setRights] = useState<readonly Right[] | null>(null);
  const ask = useTry(async () => {
    const answer = await session.ask<{ rights: Right[] }>({ method: "GET", path: `/api/v1/people/${person.id}/rights` });
    setRights(answer.rights);
  });
  useEffect(() => {
    setRights(null);
    if (open) void ask.run();
    // `ask` is another one at each drawing.
  }, [open, person]);

  return (
    <section className="rights" aria-label={t("rights.title", { name: person.name })}>
      <Button aria-expanded={open} onClick={() => setOpen(!open)} data-testid="rights">
        {t("rights.open")}
      </Button>
      {open && (
        <div data-testid="rights-shown">
          {ask.running && <p className="quiet late">{t("staff.loading")}</p>}
          <Trouble
            problem={ask.problem}
            actions={
              <Button onClick={() => void ask.run()} data-testid="try-again">
                {t("common.try-again")}
              </Button>
            }
          />
          {rights !== null && <Answer person={person} rights={rights} />}
        </div>
      )}
    </section>
  );
}

function Answer({ person, rights }: { person: Listed; rights: readonly Right[] }) {
  const { t } = useWords();
  // What is done in a visit comes with a seat there, not with a role: it has no words here.
  const known = rights.filter(({ action }) => hasWords(`right.${action}`));
  const words = (action: string) => t(`right.${action}` as Key & "right.read-people");
  const may = known.filter(({ allowed }) => allowed);
  const mayNot = known.filter(({ allowed }) => !allowed);
  if (person.state === "disabled") return <p>{t("rights.nothing-disabled")}</p>;
  if (may.length === 0) return <p>{t("rights.nothing")}</p>;
  return (
    <div className="rights__lists">
      <div>
        <h2>{t("rights.may")}</h2>
        <ul>
          {may.map(({ action, places = [] }) => (
            <li key={action}>
              <Icon of={Tick} className="rights__yes" />
              <span>
                {words(action)} <span className="quiet">({places.map((place) => t(`rights.where.${place}`)).join(", ")})</span>
              </span>
            </li>
          ))}
        </ul>
      </div>
      <div>
        <h2>{t("rights.may-not")}</h2>
        <ul className="quiet">
          {mayNot.map(({ action }) => (
            <li key={action}>
              <Icon of={Minus} />
              <span>{words(action)}</span>
            </li>
          ))}
        </ul>
      </div>
      <p className="quiet small">{t("rights.seat")}</p>
    </div>
  );
}
