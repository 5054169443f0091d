import { Ban, CircleCheck, Clock, type LucideIcon, MailWarning } from "lucide-react";
import { useWords } from "../i18n";
import type { PersonState } from "../identity";
import { Button } from "../ui/Button/Button";
import { Icon } from "../ui/Icon/Icon";
import { findPeople } from "./findPeople";
import { isNarrow, type Wanted } from "./PeopleSearch";
import { RoleNames } from "./Roles";
import { Trouble } from "./Trouble";
import type { usePeople } from "./usePeople";

const drawings: Record<PersonState, LucideIcon> = {
  active: CircleCheck,
  invited: Clock,
  "invitation-expired": MailWarning,
  disabled: Ban,
};

/** A state by icon and word. */
export function State({ of }: { of: PersonState }) {
  const { t } = useWords();
  return (
    <span className="state" data-state={of}>
      <Icon of={drawings[of]} />
      {t(`state.${of}`)}
    </span>
  );
}

interface Props {
  wanted: Wanted;
  onClear: () => void;
  list: ReturnType<typeof usePeople>;
  oneself: string;
  chosen: string | null;
  /** May invite. */
  changes: boolean;
  onChoose: (id: string) => void;
}

/** Who works here. The roles are stated, because rows that are laid out anew on a phone would lose them. */
export function PeopleTable({ wanted, onClear, list, oneself, chosen, changes, onChoose }: Props) {
  const { t, language } = useWords();
  const { people, problem, loading, hasMore } = list;
  const again = (
    <Button onClick={list.again} data-testid="try-again">
      {t("common.try-again")}
    </Button>
  );
  if (people === null) {
    return (
      <div className="admin__state">
        {loading && <p className="quiet late">{t("admin.loading")}</p>}
        <Trouble problem={problem} actions={again} />
      </div>
    );
  }
  const shown = findPeople(people, wanted.search, wanted.order, language);
  const sorted = (column: string) => (wanted.order === (column === "roles" ? "role" : column) ? "ascending" : undefined);
  const alone = !hasMore && people.every((person) => person.id === oneself);
  return (
    <>
      {shown.length > 0 && (
        <table className="people" role="table" aria-labelledby="people-title">
          <thead role="rowgroup">
            <tr role="row">
              {(["name", "email", "roles", "state"] as const).map((column) => (
                <th key={column} role="columnheader" scope="col" aria-sort={sorted(column)}>
                  {t(`admin.${column}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody role="rowgroup">
            {shown.map((person) => (
              // The button's own click arrives here too.
              <tr key={person.id} role="row" data-chosen={person.id === chosen} onClick={() => onChoose(person.id)} data-testid="person">
                <td role="cell" className="people__who">
                  <button
                    type="button"
                    className="people__open"
                    aria-current={person.id === chosen ? "true" : undefined}
                    data-testid={`open-${person.id}`}
                  >
                    {person.name}
                  </button>
                  {person.id === oneself && <span className="quiet small"> {t("admin.you")}</span>}
                </td>
                <td role="cell" className="people__mail">
                  {person.email}
                </td>
                <td role="cell">
                  <RoleNames roles={person.roles} />
                </td>
                <td role="cell">
                  <State of={person.state} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <div className="admin__state">
        {shown.length === 0 && people.length > 0 && !loading && problem === null && (
          <>
            <h2>{t("find.nobody")}</h2>
            <p className="quiet">{t("find.nobody-why")}</p>
            <Button onClick={onClear} data-testid="clear">
              {t("find.clear")}
            </Button>
          </>
        )}
        {alone && !isNarrow(wanted) && (
          <>
            <h2>{t("admin.empty-title")}</h2>
            <p className="quiet">{t(changes ? "admin.empty" : "admin.empty-nobody")}</p>
          </>
        )}
        <Trouble problem={problem} actions={again} />
        {hasMore && problem === null && !isNarrow(wanted) && (
          <Button busy={loading} onClick={list.more} data-testid="more">
            {t(loading ? "admin.loading" : "admin.more")}
          </Button>
        )}
      </div>
    </>
  );
}
