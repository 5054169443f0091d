import { UserPlus } from "lucide-react";
import { useRef, useState } from "react";
import { useWords } from "../i18n";
import { type Listed, Problem } from "../identity";
import { Button } from "../ui/Button/Button";
import { ClinicHeader } from "../ui/ClinicHeader/ClinicHeader";
import { LanguageSwitch } from "../ui/LanguageSwitch/LanguageSwitch";
import { useStaffState } from "./context";
import { Guarded } from "./Guarded";
import { NewPerson } from "./NewPerson";
import { Own } from "./Own";
import { everybody, isNarrow, PeopleSearch } from "./PeopleSearch";
import { PeopleTable } from "./PeopleTable";
import { PersonPanel } from "./PersonPanel";
import { Sections, sectionsOf } from "./Sections";
import { useTitle } from "./Sheet";
import "./staff.css";
import "./admin.css";
import { Trouble } from "./Trouble";
import { usePeople } from "./usePeople";

/** People and roles, for administrators; auditors look. */
export function AdminApp() {
  const { t } = useWords();
  return (
    <Guarded title={t("admin.title")}>
      <Desk />
    </Guarded>
  );
}

function Desk() {
  const { who, locked } = useStaffState();
  const { t } = useWords();
  useTitle(t(locked ? "lock.title" : "admin.title"), who?.unit.name ?? "");
  if (who === null) return null;
  const { roles } = who.person;
  const may = sectionsOf(roles).length > 0;
  return (
    <div className="admin">
      <ClinicHeader clinic={{ name: who.unit.name, phone: "" }} help={false}>
        <LanguageSwitch />
        {who.person.roles.includes("clinician") && (
          <a className="own__rooms" href="/rooms">
            {t("rooms.mine")}
          </a>
        )}
        <Own name={who.person.name} />
      </ClinicHeader>
      {may ? (
        <Sections roles={roles} people={<Columns oneself={who.person.id} changes={roles.includes("administrator")} />} />
      ) : (
        <main className="sheet">
          <h1>{t("admin.title")}</h1>
          <Trouble problem={new Problem("no-people")} />
        </main>
      )}
    </div>
  );
}

/** The list always; beside it whoever was chosen, or somebody new. On a phone, one of the two. */
function Columns({ oneself, changes }: { oneself: string; changes: boolean }) {
  const { t } = useWords();
  const [wanted, setWanted] = useState(everybody);
  const list = usePeople(isNarrow(wanted));
  const [beside, setBeside] = useState<{ is: "person"; id: string } | { is: "new" } | null>(null);
  const [link, setLink] = useState<{ id: string; link: string } | null>(null);
  const opener = useRef<Element | null>(null);
  const chosen = beside?.is === "person" ? (list.people?.find((one) => one.id === beside.id) ?? null) : null;

  // What the page is about now: the list, or the person beside it.
  const Title = beside === null ? "h1" : "h2";

  const show = (next: typeof beside) => {
    const row = next?.is === "person" ? `open-${next.id}` : "invite";
    opener.current = document.querySelector(`[data-testid="${row}"]`) ?? opener.current;
    setLink(null);
    setBeside(next);
  };
  const close = () => {
    setBeside(null);
    // After the list is drawn again.
    requestAnimationFrame(() => {
      if (opener.current instanceof HTMLElement && opener.current.isConnected) opener.current.focus();
    });
  };
  const changed = (person: Listed, invitation?: string) => {
    list.put(person);
    setLink(invitation === undefined ? null : { id: person.id, link: invitation });
  };

  return (
    <main className="admin__columns" data-chosen={beside !== null} aria-label={t("admin.title")}>
      <section className="admin__list" aria-labelledby="people-title">
        <div className="admin__head">
          <div>
            <Title id="people-title">{t("admin.title")}</Title>
            {list.people !== null && (
              <p className="quiet figures" data-testid="count">
                {list.hasMore
                  ? t("admin.shown-more", { count: list.people.length })
                  : t("admin.shown", { count: list.people.length })}
              </p>
            )}
          </div>
          {changes && (
            <Button kind="primary" icon={UserPlus} onClick={() => show({ is: "new" })} data-testid="invite">
              {t("admin.invite")}
            </Button>
          )}
        </div>
        {!changes && <p className="admin__look quiet">{t("admin.look-only")}</p>}
        <PeopleSearch wanted={wanted} onWant={setWanted} list={list} />
        <PeopleTable wanted={wanted} onClear={() => setWanted(everybody)} list={list} oneself={oneself} chosen={chosen?.id ?? null} changes={changes} onChoose={(id) => show({ is: "person", id })} />
      </section>
      <div className="admin__beside">
        {beside?.is === "new" ? (
          <NewPerson onClose={close} onMade={list.put} onShow={(id) => show({ is: "person", id })} known={(id) => list.people?.some((one) => one.id === id) ?? false} />
        ) : chosen !== null ? (
          <PersonPanel
            key={chosen.id}
            person={chosen}
            oneself={chosen.id === oneself}
            changes={changes}
            link={link?.id === chosen.id ? link.link : null}
            onChanged={changed}
            onClose={close}
          />
        ) : (
          <div className="admin__hint">
            <h2>{t("admin.hint-title")}</h2>
            <p className="quiet">{t("admin.hint")}</p>
          </div>
        )}
      </div>
    </main>
  );
}
