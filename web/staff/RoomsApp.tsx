import { useState } from "react";
import { leaveSeat } from "../call/credentials";
import { useWords } from "../i18n";
import type { WaitingRoom } from "../identity";
import { Button } from "../ui/Button/Button";
import { ClinicHeader } from "../ui/ClinicHeader/ClinicHeader";
import { LanguageSwitch } from "../ui/LanguageSwitch/LanguageSwitch";
import { useStaff, useStaffState } from "./context";
import { Guarded } from "./Guarded";
import { Own } from "./Own";
import { useTitle } from "./Sheet";
import "./staff.css";
import "./admin.css";
import "./rooms.css";
import { Trouble } from "./Trouble";
import { useRooms } from "./useRooms";
import { useTry } from "./useTry";

const CLINIC = "/clinic";

/** The waiting rooms somebody serves, and the way into each. */
export function RoomsApp() {
  const { t } = useWords();
  return (
    <Guarded title={t("rooms.mine")}>
      <Rooms />
    </Guarded>
  );
}

function Rooms() {
  const { t } = useWords();
  const { who, locked } = useStaffState();
  const { rooms, hasMore, loading, problem, more, again } = useRooms(true);
  const [opening, setOpening] = useState<string | null>(null);
  useTitle(t(locked ? "lock.title" : "rooms.mine"), who?.unit.name ?? "");
  if (who === null) return null;
  const mine = rooms?.filter((room) => room.mayJoin) ?? null;
  const manages = who.person.roles.some((role) => role === "administrator" || role === "auditor");
  return (
    <>
      <ClinicHeader clinic={{ name: who.unit.name, phone: "" }} help={false}>
        <LanguageSwitch />
        {manages && <a href="/admin">{t("rooms.people")}</a>}
        <Own name={who.person.name} />
      </ClinicHeader>
      <main className="sheet rooms">
        <div className="sheet__head">
          <h1>{t("rooms.mine")}</h1>
          {mine !== null && mine.length > 0 && <p className="quiet">{t("rooms.body")}</p>}
        </div>
        {mine === null && loading && <p className="quiet late">{t("rooms.loading")}</p>}
        <Trouble problem={problem} actions={<Button onClick={again}>{t("common.try-again")}</Button>} />
        {mine !== null && mine.length > 0 && (
          <ul className="rooms__list">
            {mine.map((room) => (
              <Room key={room.id} unit={who.unit.name} room={room} opening={opening} onOpening={setOpening} />
            ))}
          </ul>
        )}
        {mine !== null && mine.length === 0 && !hasMore && (
          <div className="sheet__form" data-testid="no-rooms">
            <h2>{t("rooms.none-title")}</h2>
            <p>{t("rooms.none")}</p>
            <div>
              <Button onClick={again} busy={loading} data-testid="look-again">
                {t("rooms.again")}
              </Button>
            </div>
          </div>
        )}
        {hasMore && (
          <div>
            <Button onClick={more} busy={loading}>
              {t("rooms.more")}
            </Button>
          </div>
        )}
      </main>
    </>
  );
}

interface Props {
  unit: string;
  room: WaitingRoom;
  opening: string | null;
  onOpening: (id: string | null) => void;
}

function Room({ unit, room, opening, onOpening }: Props) {
  const { t } = useWords();
  const { session, go } = useStaff();
  const open = useTry(async () => {
    const { joinToken } = await session.ask<{ joinToken: string }>({
      method: "POST",
      path: `/api/v1/waiting-rooms/${room.id}/seat`,
    });
    leaveSeat(sessionStorage, CLINIC, joinToken);
    go(CLINIC);
  });
  const begin = async () => {
    onOpening(room.id);
    if (!(await open.run())) onOpening(null);
  };
  const busy = opening === room.id;
  return (
    <li className="rooms__one" data-testid="room">
      <div className="rooms__words">
        <h2 className="rooms__name">{room.practitioner}</h2>
        {room.clinic.name !== unit && <p className="quiet small">{room.clinic.name}</p>}
      </div>
      <Button
        kind="primary"
        busy={opening !== null}
        onClick={() => void begin()}
        {...(busy ? {} : { "aria-label": t("rooms.open-named", { name: room.practitioner }) })}
        data-testid={`open-room-${room.id}`}
      >
        {t(busy ? "rooms.opening" : "rooms.open")}
      </Button>
      <Trouble problem={open.problem} />
    </li>
  );
}
