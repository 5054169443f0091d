import { CircleCheck, CircleX, Clock, Siren } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useWords } from "../i18n";
import { clockTime, dayAndTime } from "../i18n/time";
import type { Emergency, Verdict, WaitingRoom } from "../identity";
import { Button } from "../ui/Button/Button";
import { Choice } from "../ui/Choice/Choice";
import { TextArea } from "../ui/Field/Field";
import { Icon } from "../ui/Icon/Icon";
import { useStaff, useStaffState } from "./context";
import { Trouble } from "./Trouble";
import { useArrival } from "./useHeading";
import { useEmergencies, type Which } from "./useEmergencies";
import { useTry } from "./useTry";
import { roomName, useWaitingRooms } from "./useWaitingRooms";

const MAX_NOTE_CHARS = 1_000;

/** What was opened in emergencies: those that last first, then what waits for its review. */
export function Emergencies({ judges }: { judges: boolean }) {
  const { t } = useWords();
  const [which, setWhich] = useState<Which>("unreviewed");
  const { page, problem, again } = useEmergencies(which);
  const rooms = useWaitingRooms();
  return (
    <main className="trail" aria-labelledby="emergencies-title">
      <h1 id="emergencies-title">{t("emergency.title")}</h1>
      <p>{t(judges ? "emergency.judges" : "emergency.looks")}</p>
      <div role="status" className="emergencies__count">
        {page !== null && (
          <p className={page.open > 0 ? "emergencies__open" : "quiet"}>
            {page.open > 0 && <Icon of={Siren} />}
            {page.open > 0 ? t("emergency.alert-count", { count: page.open }) : t("emergency.none-open")}{" "}
            {t("emergency.unreviewed", { count: page.unreviewed })}
          </p>
        )}
      </div>
      <Choice
        legend={t("emergency.show")}
        tiles
        options={[
          { value: "unreviewed", label: t("emergency.show-unreviewed") },
          { value: "all", label: t("emergency.show-all") },
        ]}
        chosen={which}
        onChoose={(value) => setWhich(value as Which)}
        testIds
      />
      {page !== null && page.overlooked > 0 && <p>{t("emergency.overlooked", { count: page.overlooked })}</p>}
      <Trouble problem={problem} actions={<Button onClick={again}>{t("common.try-again")}</Button>} />
      {page === null && problem === null && <p className="quiet late">{t("staff.loading")}</p>}
      {page !== null && page.emergencies.length === 0 && (
        <p className="trail__none">{t(which === "all" ? "emergency.none-ever" : "emergency.all-reviewed")}</p>
      )}
      {page !== null && page.emergencies.length > 0 && (
        <ol className="emergencies">
          {page.emergencies.map((one) => (
            <li key={one.id}>
              <Card one={one} rooms={rooms} judges={judges} onReviewed={again} />
            </li>
          ))}
        </ol>
      )}
    </main>
  );
}

function Card({ one, rooms, judges, onReviewed }: { one: Emergency; rooms: readonly WaitingRoom[]; judges: boolean; onReviewed: () => void }) {
  const { t, language } = useWords();
  const { who } = useStaffState();
  const [reading, setReading] = useState(false);
  const own = who?.person.id === one.by.id;
  const verdict = one.review?.verdict;
  return (
    <article className="emergency" data-open={one.open} data-testid="emergency">
      <h2>{t("emergency.who", { who: one.by.name ?? "?", room: roomName(rooms, one.waitingRoom) })}</h2>
      <p>
        <strong>{t(`emergency.category.${one.category}`)}</strong>
        {one.visit !== null && <span className="quiet"> · {t("emergency.one-visit", { id: one.visit.slice(0, 8) })}</span>}
      </p>
      <p className="quiet figures">
        {t("emergency.times", { at: dayAndTime(one.at, Date.now(), language), until: clockTime(one.until, language) })}
      </p>
      <p className="emergency__state" data-verdict={verdict ?? (one.open ? "open" : "waits")}>
        <Icon of={verdict === "justified" ? CircleCheck : verdict === "not-justified" ? CircleX : one.open ? Siren : Clock} />
        {verdict === undefined
          ? t(one.open ? "emergency.open" : "emergency.over")
          : t(`emergency.was-${verdict}`, { who: one.review?.by.name ?? "?", at: dayAndTime(one.review?.at ?? 0, Date.now(), language) })}
      </p>
      {judges && verdict === undefined && own && <p className="quiet">{t("emergency.own")}</p>}
      {judges && verdict === undefined && !own && !reading && (
        <div>
          <Button onClick={() => setReading(true)} data-testid={`review-${one.id}`}>
            {t("emergency.review")}
          </Button>
        </div>
      )}
      {reading && verdict === undefined && (
        <Review
          id={one.id}
          onClose={() => setReading(false)}
          onReviewed={() => {
            setReading(false);
            onReviewed();
          }}
        />
      )}
    </article>
  );
}

function Review({ id, onClose, onReviewed }: { id: string; onClose: () => void; onReviewed: () => void }) {
  const { t } = useWords();
  const { session } = useStaff();
  const heading = useArrival();
  const [read, setRead] = useState<Emergency | null>(null);
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const [note, setNote] = useState("");
  const [sent, setSent] = useState(false);
  const open = useTry(async () => setRead(await session.ask<Emergency>({ method: "GET", path: `/api/v1/emergencies/${id}` })));
  const save = useTry(async () => {
    await session.ask({ method: "POST", path: `/api/v1/emergencies/${id}/review`, body: { verdict, note: note.trim() } });
    onReviewed();
  });
  const missing = verdict === "not-justified" && note.trim() === "";
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSent(true);
    if (verdict !== null && !missing) void save.run();
  };
  return (
    <section className="emergency__review">
      <h3 ref={heading} tabIndex={-1}>
        {t("emergency.reason")}
      </h3>
      {read === null ? (
        <>
          <p className="quiet">{t("emergency.reading-recorded")}</p>
          <Trouble problem={open.problem} />
          <div className="proof__actions">
            <Button kind="primary" busy={open.running} onClick={() => void open.run()} data-testid="read-reason">
              {t("emergency.read-reason")}
            </Button>
            <Button onClick={onClose}>{t("common.cancel")}</Button>
          </div>
        </>
      ) : (
        <form className="form emergency__form" onSubmit={submit} noValidate>
          <blockquote data-testid="reason">{read.reason}</blockquote>
          <Choice
            legend={t("emergency.verdict")}
            options={[
              { value: "justified", label: t("emergency.justified") },
              { value: "not-justified", label: t("emergency.not-justified"), why: t("emergency.not-justified-why") },
            ]}
            chosen={verdict}
            onChoose={setVerdict}
            testIds
          />
          {sent && verdict === null && (
            <p role="alert" className="field__error">
              {t("emergency.verdict-missing")}
            </p>
          )}
          <TextArea
            label={t("emergency.note")}
            hint={t("emergency.note-why")}
            value={note}
            maxLength={MAX_NOTE_CHARS}
            error={sent && missing ? t("emergency.note-missing") : null}
            onChange={(event) => setNote(event.target.value)}
            data-testid="note"
          />
          <Trouble problem={save.problem} />
          <div className="proof__actions">
            <Button kind="primary" type="submit" busy={save.running} data-testid="save-review">
              {t("emergency.save")}
            </Button>
            <Button onClick={onClose}>{t("common.cancel")}</Button>
          </div>
        </form>
      )}
    </section>
  );
}
