import { Siren } from "lucide-react";
import { type FormEvent, useCallback, useEffect, useState } from "react";
import { useWords } from "../i18n";
import { clockTime, dayAndTime } from "../i18n/time";
import { categories, type Category, type Emergency, type PastVisit, type WaitingRoom } from "../identity";
import { Button } from "../ui/Button/Button";
import { Choice } from "../ui/Choice/Choice";
import { Select, TextArea } from "../ui/Field/Field";
import { Icon } from "../ui/Icon/Icon";
import { useStaff } from "./context";
import { Trouble } from "./Trouble";
import { useTry } from "./useTry";
import { roomName, useWaitingRooms } from "./useWaitingRooms";

const REASON = { least: 10, most: 500 };

/** A clinician opens, in an emergency, what they have no right to; and sees it while it lasts. */
export function BreakGlass() {
  const { t } = useWords();
  const { session } = useStaff();
  const rooms = useWaitingRooms();
  const [own, setOwn] = useState<readonly Emergency[]>([]);
  const look = useTry(
    useCallback(async () => {
      const answer = await session.ask<{ emergencies: Emergency[] }>({ method: "GET", path: "/api/v1/emergencies/own" });
      setOwn(answer.emergencies);
    }, [session]),
  );
  useEffect(() => void look.run(), [session]);
  return (
    <main className="trail" aria-labelledby="glass-title">
      <h1 id="glass-title">{t("glass.title")}</h1>
      <Trouble problem={look.problem} actions={<Button onClick={() => void look.run()}>{t("common.try-again")}</Button>} />
      {own.map((one) => (
        <Open key={one.id} one={one} rooms={rooms} onEnded={() => setOwn(own.filter(({ id }) => id !== one.id))} />
      ))}
      <Ask rooms={rooms} onOpened={(one) => setOwn([one, ...own])} />
    </main>
  );
}

function Ask({ rooms, onOpened }: { rooms: readonly WaitingRoom[]; onOpened: (one: Emergency) => void }) {
  const { t } = useWords();
  const { session } = useStaff();
  const [room, setRoom] = useState("");
  const [category, setCategory] = useState<Category | null>(null);
  const [reason, setReason] = useState("");
  const [sent, setSent] = useState(false);
  const short = reason.trim().length < REASON.least;
  const ask = useTry(async () => {
    const body = { waitingRoom: room, category, reason: reason.trim() };
    onOpened(await session.ask<Emergency>({ method: "POST", path: "/api/v1/emergencies", body }));
    setRoom("");
    setCategory(null);
    setReason("");
    setSent(false);
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSent(true);
    if (room !== "" && category !== null && !short) void ask.run();
  };
  return (
    <form className="form glass" onSubmit={submit} noValidate aria-label={t("glass.title")}>
      <p>{t("glass.what")}</p>
      <ul className="glass__then">
        <li>{t("glass.told")}</li>
        <li>{t("glass.patient")}</li>
        <li>{t("glass.reviewed")}</li>
      </ul>
      <Select label={t("glass.room")} value={room} error={sent && room === "" ? t("glass.room-missing") : null} onChange={(event) => setRoom(event.target.value)} data-testid="room">
        <option value="">{t("glass.choose")}</option>
        {rooms.map(({ id, practitioner, clinic }) => (
          <option key={id} value={id}>
            {practitioner} · {clinic.name}
          </option>
        ))}
      </Select>
      <Choice
        legend={t("glass.category")}
        options={categories.map((value) => ({ value, label: t(`emergency.category.${value}`) }))}
        chosen={category}
        onChoose={setCategory}
        testIds
      />
      {sent && category === null && (
        <p role="alert" className="field__error">
          {t("glass.category-missing")}
        </p>
      )}
      <TextArea
        label={t("glass.reason")}
        hint={t("glass.reason-why")}
        value={reason}
        maxLength={REASON.most}
        error={sent && short ? t("glass.reason-short") : null}
        onChange={(event) => setReason(event.target.value)}
        data-testid="reason"
      />
      <Trouble problem={ask.problem} />
      <div>
        <Button kind="danger" type="submit" icon={Siren} busy={ask.running} data-testid="break-glass">
          {t("glass.open")}
        </Button>
      </div>
    </form>
  );
}

/** One that lasts: what it shows, until when, and how to hand it back. */
function Open({ one, rooms, onEnded }: { one: Emergency; rooms: readonly WaitingRoom[]; onEnded: () => void }) {
  const { t, language } = useWords();
  const { session } = useStaff();
  const [visits, setVisits] = useState<readonly PastVisit[] | null>(null);
  const read = useTry(async () => {
    const query = new URLSearchParams({ waitingRoom: one.waitingRoom, ...(one.visit === null ? {} : { visit: one.visit }) });
    const page = await session.ask<{ visits: PastVisit[] }>({ method: "GET", path: `/api/v1/history?${query}` });
    setVisits(page.visits);
  });
  const end = useTry(async () => {
    await session.ask({ method: "POST", path: `/api/v1/emergencies/${one.id}/end` });
    onEnded();
  });
  return (
    <section className="emergency" data-open="true" data-testid="own-emergency">
      <h2>{t("glass.is-open", { room: roomName(rooms, one.waitingRoom), until: clockTime(one.until, language) })}</h2>
      <p className="emergency__state" data-verdict="open">
        <Icon of={Siren} />
        {t("glass.being-told")}
      </p>
      <Trouble problem={read.problem ?? end.problem} />
      {visits !== null && visits.length === 0 && <p>{t("glass.no-visits")}</p>}
      {visits !== null && visits.length > 0 && (
        <ol className="did">
          {visits.map((visit) => (
            <li key={visit.visit} className="did__row">
              <time dateTime={new Date(visit.endedAt).toISOString()} className="did__at figures">
                {dayAndTime(visit.endedAt, Date.now(), language)}
              </time>
              <div className="did__what">
                <p>
                  <strong>{visit.name}</strong>
                </p>
                <p className="quiet">{visit.reason}</p>
              </div>
            </li>
          ))}
        </ol>
      )}
      <div className="proof__actions">
        <Button kind="primary" busy={read.running} onClick={() => void read.run()} data-testid="read-visits">
          {t(visits === null ? "glass.read" : "glass.read-again")}
        </Button>
        <Button busy={end.running} onClick={() => void end.run()} data-testid="end-emergency">
          {t("glass.end")}
        </Button>
      </div>
    </section>
  );
}
