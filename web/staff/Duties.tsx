import { type FormEvent, useState } from "react";
import { useWords } from "../i18n";
import type { Listed } from "../identity";
import { Button } from "../ui/Button/Button";
import { useAnnounce } from "../ui/Live/Live";
import { useStaff } from "./context";
import { Trouble } from "./Trouble";
import { useRooms } from "./useRooms";
import { useTry } from "./useTry";

interface Props {
  person: Listed;
  onChanged: (person: Listed) => void;
}

const same = (one: readonly string[], other: readonly string[]) =>
  one.length === other.length && one.every((id) => other.includes(id));

/** The waiting rooms that somebody serves, as boxes to tick. What is not shown stays as it is. */
export function Duties({ person, onChanged }: Props) {
  const { t } = useWords();
  const { session } = useStaff();
  const announce = useAnnounce();
  const { rooms, hasMore, loading, problem, more, again } = useRooms(false);
  const [duties, setDuties] = useState<readonly string[]>(person.duties);
  const save = useTry(async () => {
    onChanged(await session.ask<Listed>({ method: "PATCH", path: `/api/v1/people/${person.id}`, body: { duties } }));
    announce(t("duties.saved", { name: person.name }));
  });
  const toggle = (id: string) =>
    setDuties(duties.includes(id) ? duties.filter((one) => one !== id) : [...duties, id]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void save.run();
  };
  return (
    <form className="form" onSubmit={submit} noValidate data-testid="duties">
      <fieldset className="choice">
        <legend>{t("duties.legend")}</legend>
        {rooms === null && loading && <p className="quiet late">{t("rooms.loading")}</p>}
        {rooms?.length === 0 && <p className="quiet">{t("duties.none")}</p>}
        {rooms !== null && rooms.length > 0 && (
          <div className="choice__rows roles">
            {rooms.map((room) => (
              <label key={room.id} className="choice__row">
                <input
                  type="checkbox"
                  checked={duties.includes(room.id)}
                  onChange={() => toggle(room.id)}
                  data-testid={`duty-${room.id}`}
                />
                <span className="choice__words">
                  <span className="choice__label">{room.practitioner}</span>
                  <span className="choice__why">{room.clinic.name}</span>
                </span>
              </label>
            ))}
          </div>
        )}
        {hasMore && (
          <>
            <p className="quiet small">{t("duties.more")}</p>
            <Button onClick={more} busy={loading}>
              {t("rooms.more")}
            </Button>
          </>
        )}
      </fieldset>
      <Trouble problem={problem} actions={<Button onClick={again}>{t("common.try-again")}</Button>} />
      <Trouble problem={save.problem} />
      {!same(duties, person.duties) && (
        <div className="proof__actions">
          <Button kind="primary" type="submit" busy={save.running} data-testid="save-duties">
            {t("duties.save")}
          </Button>
          <Button onClick={() => setDuties(person.duties)}>{t("common.cancel")}</Button>
        </div>
      )}
    </form>
  );
}
