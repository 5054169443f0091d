import { RefreshCw, Search, ShieldAlert, ShieldCheck, ShieldQuestion } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import { hasWords, type Key, useWords } from "../i18n";
import { dayAndTime } from "../i18n/time";
import type { AuditPage, AuditRow, Chains, PeoplePage, Person, WaitingRoom } from "../identity";
import { Button } from "../ui/Button/Button";
import { Select, TextField } from "../ui/Field/Field";
import { Icon } from "../ui/Icon/Icon";
import { useStaff } from "./context";
import { Trouble } from "./Trouble";
import { roomName, useWaitingRooms } from "./useWaitingRooms";
import { useTry } from "./useTry";

const kinds = ["visit", "queue", "history", "person", "people", "session", "sign-in", "hold", "emergency", "partner-key", "webhook", "unit", "audit", "access", "link"] as const;

interface Wanted {
  from: string;
  to: string;
  person: string;
  visit: string;
  action: string;
}

const everything: Wanted = { from: "", to: "", person: "", visit: "", action: "" };
const DAY_MS = 86_400_000;
const ID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** Who did what: the state of the chain, a search, and rows as sentences. */
export function AuditTrail() {
  const { t } = useWords();
  const { session } = useStaff();
  const rooms = useWaitingRooms();
  const [people, setPeople] = useState<readonly Person[]>([]);
  const [wanted, setWanted] = useState(everything);
  const [asked, setAsked] = useState(everything);
  const [rows, setRows] = useState<readonly AuditRow[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [sent, setSent] = useState(false);
  const wrongVisit = sent && wanted.visit.trim() !== "" && !ID.test(wanted.visit.trim());
  const find = useTry(async (what: Wanted, after: string | null) => {
    const page = await session.ask<AuditPage>({ method: "GET", path: `/api/v1/audit?${query(what, after)}` });
    setAsked(what);
    setRows((before) => (after === null ? page.rows : [...(before ?? []), ...page.rows]));
    setNext(page.next);
  });
  useEffect(() => {
    void find.run(everything, null);
    session
      .ask<PeoplePage>({ method: "GET", path: "/api/v1/people?limit=50" })
      .then((page) => setPeople(page.people))
      .catch(() => undefined);
    // Once: what is searched for later, people say.
  }, [session]);
  const search = (what: Wanted) => {
    setSent(true);
    setWanted(what);
    if (what.visit.trim() === "" || ID.test(what.visit.trim())) void find.run(what, null);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    search(wanted);
  };
  const set = (change: Partial<Wanted>) => setWanted({ ...wanted, ...change });

  return (
    <main className="trail" aria-labelledby="trail-title">
      <h1 id="trail-title">{t("trail.title")}</h1>
      <ChainState />
      <form className="trail__search" onSubmit={submit} noValidate aria-label={t("trail.search")}>
        <TextField label={t("trail.from")} type="date" value={wanted.from} onChange={(event) => set({ from: event.target.value })} data-testid="from" />
        <TextField label={t("trail.to")} type="date" value={wanted.to} onChange={(event) => set({ to: event.target.value })} data-testid="to" />
        <Select label={t("trail.person")} value={wanted.person} onChange={(event) => set({ person: event.target.value })} data-testid="person">
          <option value="">{t("trail.anybody")}</option>
          {people.map((person) => (
            <option key={person.id} value={person.id}>
              {person.name}
            </option>
          ))}
        </Select>
        <Select label={t("trail.what")} value={wanted.action} onChange={(event) => set({ action: event.target.value })} data-testid="action">
          <option value="">{t("trail.anything")}</option>
          {kinds.map((kind) => (
            <option key={kind} value={kind}>
              {t(`trail.kind.${kind}`)}
            </option>
          ))}
        </Select>
        <TextField
          label={t("trail.visit")}
          value={wanted.visit}
          autoComplete="off"
          spellCheck={false}
          maxLength={36}
          error={wrongVisit ? t("trail.visit-wrong") : null}
          onChange={(event) => set({ visit: event.target.value })}
          data-testid="visit"
        />
        <div className="trail__go">
          <Button kind="primary" type="submit" icon={Search} busy={find.running} data-testid="search">
            {t("trail.go")}
          </Button>
          {Object.values(asked).some((value) => value !== "") && (
            <Button onClick={() => search(everything)} data-testid="everything">
              {t("trail.clear")}
            </Button>
          )}
        </div>
      </form>
      <p className="quiet small">{t("trail.read-too")}</p>
      <div role="status" className="visually-hidden">
        {rows !== null && !find.running && t("trail.found", { count: rows.length })}
      </div>
      <Trouble
        problem={find.problem}
        actions={
          <Button onClick={() => void find.run(asked, null)} data-testid="try-again">
            {t("common.try-again")}
          </Button>
        }
      />
      {rows === null && find.running && <p className="quiet late">{t("staff.loading")}</p>}
      {rows !== null && rows.length === 0 && find.problem === null && (
        <p className="trail__none">{t(next === null ? "trail.none" : "trail.none-yet")}</p>
      )}
      {rows !== null && rows.length > 0 && (
        <ol className="did" data-testid="rows">
          {rows.map((row, at) => (
            <Row key={`${row.at}-${at}`} row={row} rooms={rooms} onVisit={(visit) => search({ ...everything, visit })} />
          ))}
        </ol>
      )}
      {next !== null && find.problem === null && (
        <Button busy={find.running} onClick={() => void find.run(asked, next)} data-testid="more">
          {t("trail.more")}
        </Button>
      )}
    </main>
  );
}

function query(what: Wanted, after: string | null): string {
  const query = new URLSearchParams();
  const day = (text: string) => new Date(`${text}T00:00:00`).getTime();
  if (what.from !== "") query.set("from", String(day(what.from)));
  // The whole of the last day.
  if (what.to !== "") query.set("to", String(day(what.to) + DAY_MS - 1));
  for (const field of ["person", "action"] as const) if (what[field] !== "") query.set(field, what[field]);
  if (what.visit.trim() !== "") query.set("visit", what.visit.trim().toLowerCase());
  if (after !== null) query.set("after", after);
  return query.toString();
}

/** "Dr Amara Lee was shown who waits for Dr Amara Lee", when, and in which visit. */
function Row({ row, rooms, onVisit }: { row: AuditRow; rooms: readonly WaitingRoom[]; onVisit: (visit: string) => void }) {
  const { t, language } = useWords();
  const { action, body, subject } = row;
  const room = roomName(rooms, body?.waitingRoom ?? subject);
  const seat = `trail.seat.${body?.role}`;
  const who =
    row.name ??
    (body?.role === "clinician" && rooms.some(({ id }) => id === body.waitingRoom)
      ? room
      : row.actor === null
        ? t("trail.platform")
        : t(hasWords(seat) ? (seat as Key & "trail.seat.patient") : "trail.somebody"));
  const key = `did.${action}`;
  const said = hasWords(key)
    ? t(key as Key & "did.queue.view", { who, room, whom: row.subjectName ?? t("trail.somebody"), action } as never)
    : t("did.other", { who, action });
  const ofVisit = subject !== null && (action.startsWith("visit.") || action === "access.read" || action === "link.exchange");
  return (
    <li className="did__row">
      <time dateTime={new Date(row.at).toISOString()} className="did__at figures">
        {dayAndTime(row.at, Date.now(), language)}
      </time>
      <div className="did__what">
        <p>
          {said}
          {body?.emergency !== undefined && !action.startsWith("emergency.") && <strong> {t("trail.in-emergency")}</strong>}
        </p>
        {ofVisit && (
          <button type="button" className="did__visit" onClick={() => onVisit(subject)}>
            {t("trail.only-visit", { id: subject.slice(0, 8) })}
          </button>
        )}
      </div>
    </li>
  );
}

/** Whether the trail is what was sealed, in plain words. */
function ChainState() {
  const { t, language } = useWords();
  const { session } = useStaff();
  const [chains, setChains] = useState<Chains | null>(null);
  const look = useTry(async () => setChains(await session.ask<Chains>({ method: "GET", path: "/api/v1/audit/chain" })));
  useEffect(() => void look.run(), [session]);
  if (chains === null) {
    return (
      <section className="chain" aria-label={t("chain.title")}>
        {look.running && <p className="quiet late">{t("staff.loading")}</p>}
        <Trouble problem={look.problem} />
      </section>
    );
  }
  const when = (at: number | null) => (at === null ? "" : dayAndTime(at, Date.now(), language));
  const newest = (of: (number | null)[]) => of.reduce<number | null>((a, b) => (b !== null && (a === null || b > a) ? b : a), null);
  const sealed = newest(chains.chains.map((chain) => chain.sealedAt));
  const looked = newest(chains.chains.map((chain) => chain.verifiedAt));
  const rows = chains.chains.reduce((sum, chain) => sum + chain.rows, 0);
  const unsealed = chains.chains.reduce((sum, chain) => sum + Math.max(0, chain.rows - chain.sealedRows), 0);
  const drawing = chains.state === "whole" ? ShieldCheck : chains.state === "broken" ? ShieldAlert : ShieldQuestion;
  return (
    <section className="chain" data-state={chains.state} aria-label={t("chain.title")} data-testid="chain">
      <Icon of={drawing} />
      <div>
        <p className="chain__word">
          <strong>{t(`chain.${chains.state}`)}</strong>
        </p>
        <p className="quiet">
          {t("chain.rows", { count: rows, rows: rows.toLocaleString(language) })}{" "}
          {sealed !== null && t("chain.sealed", { at: when(sealed), count: unsealed })}{" "}
          {looked !== null && t("chain.looked", { at: when(looked) })}
        </p>
        <p className="quiet">
          {chains.copies === null
            ? t("chain.copies-none")
            : chains.copies.missing === 0
              ? t("chain.copies-there")
              : t("chain.copies-late", { count: chains.copies.missing, minutes: Math.ceil(chains.copies.lagS / 60) })}
        </p>
        {chains.chains.map(({ partition, broken }) =>
          broken === null ? null : (
            <p key={partition} className="chain__break">
              {t("chain.break", { partition, from: broken.from, to: broken.to, at: when(broken.foundAt) })}
            </p>
          ),
        )}
      </div>
      <Button kind="quiet" icon={RefreshCw} busy={look.running} onClick={() => void look.run()} data-testid="look-again">
        {t("chain.again")}
      </Button>
    </section>
  );
}
