import { CircleAlert, CircleCheck, type LucideIcon, RefreshCw, TriangleAlert } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { useWords } from "../i18n";
import { clockTime, dayAndTime, waited } from "../i18n/time";
import { type PartStatus, type PlatformPart, platformParts, type StaffRole, type Status } from "../identity";
import { Button } from "../ui/Button/Button";
import { Icon } from "../ui/Icon/Icon";
import { useStaffState } from "./context";
import "./status.css";
import { Trouble } from "./Trouble";
import { useStatus } from "./useStatus";

type Tone = "good" | "attention" | "danger";
const drawings: Record<Tone, LucideIcon> = { good: CircleCheck, attention: TriangleAlert, danger: CircleAlert };
const order: readonly Tone[] = ["danger", "attention", "good"];

/** One thing that is as it should be, or not, and what that means. */
interface Line {
  key: string;
  tone: Tone;
  title: string;
  meaning: string;
  since?: number;
  more?: ReactNode;
}

/** Whether everything works, and what it means for visits where it does not. */
export function StatusPage() {
  const { t, language } = useWords();
  const { who } = useStaffState();
  const { status, at, problem, looking, again } = useStatus();
  const lines = useLines(status, who?.person.roles ?? []);
  const bad = lines.filter(({ tone }) => tone !== "good");
  const worst = order.find((tone) => lines.some((line) => line.tone === tone)) ?? "good";
  const headline = status === null ? "" : bad.length === 0 ? t("status.all-well") : t("status.not-well", { count: bad.length });
  // Said when its meaning changes, and not each time it is looked at.
  const [said, setSaid] = useState("");
  useEffect(() => setSaid(headline), [headline]);
  const old = problem !== null && status !== null;

  return (
    <main className="trail status" aria-labelledby="status-title">
      <h1 id="status-title">{t("status.title")}</h1>
      <div role="status" className="visually-hidden">
        {said}
      </div>
      <Trouble
        problem={problem}
        actions={
          <Button onClick={again} data-testid="try-again">
            {t("common.try-again")}
          </Button>
        }
      />
      {status === null ? (
        looking && <p className="quiet late">{t("status.loading")}</p>
      ) : (
        <>
          <section className="verdict" data-tone={old ? "attention" : worst} data-testid="verdict">
            <Icon of={drawings[old ? "attention" : worst]} />
            <div>
              <p className="verdict__word">{old ? t("status.old") : headline}</p>
              <p className="quiet figures" data-testid="looked-at">
                {at !== null && (old ? t("status.looked-before", { at: clockTime(at, language), was: headline }) : t("status.looked", { at: clockTime(at, language) }))}
              </p>
            </div>
            {!old && (
              <Button kind="quiet" icon={RefreshCw} onClick={again} aria-disabled={looking} data-testid="look-again">
                {t("status.again")}
              </Button>
            )}
          </section>
          <Visits visits={status.visits} />
          <section aria-labelledby="parts-title" className="status__parts">
            <h2 id="parts-title">{t("status.parts")}</h2>
            <ul className="parts">
              {[...lines].sort((one, other) => order.indexOf(one.tone) - order.indexOf(other.tone)).map((line) => (
                <Part key={line.key} line={line} />
              ))}
            </ul>
          </section>
        </>
      )}
    </main>
  );
}

/** How many visits go on: the numbers that everybody asks for first. */
function Visits({ visits }: { visits: Status["visits"] }) {
  const { t, language } = useWords();
  if (visits === null) return <p className="quiet">{t("status.visits-unknown")}</p>;
  const number = (value: number) => value.toLocaleString(language);
  return (
    <dl className="counts" aria-label={t("status.visits")} data-testid="counts">
      <div>
        <dt>{t("status.in-call")}</dt>
        <dd className="figures">{number(visits.inCall)}</dd>
      </div>
      <div>
        <dt>{t("status.waiting")}</dt>
        <dd className="figures">{number(visits.waiting)}</dd>
        {visits.waiting > 0 && <dd className="quiet">{t("status.longest", { time: waited(visits.longestWaitS * 1_000) })}</dd>}
      </div>
    </dl>
  );
}

function Part({ line }: { line: Line }) {
  const { t, language } = useWords();
  return (
    <li className="part" data-tone={line.tone} data-testid={`part-${line.key}`}>
      <Icon of={drawings[line.tone]} />
      <div>
        <h3>
          {line.title} <span className={line.tone === "good" ? "visually-hidden" : "part__word"}>{t(`status.tone.${line.tone}`)}</span>
        </h3>
        <p>{line.meaning}</p>
        {line.since !== undefined && line.tone !== "good" && (
          <p className="quiet figures">{t("status.since", { at: dayAndTime(line.since, Date.now(), language) })}</p>
        )}
        {line.more}
      </div>
    </li>
  );
}

/** The parts in words, with what there is to oversee. */
function useLines(status: Status | null, roles: readonly StaffRole[]): Line[] {
  const { t } = useWords();
  if (status === null) return [];
  const lines: Line[] = [];
  for (const name of platformParts) {
    const part = status.parts.find((one) => one.part === name);
    if (part !== undefined) lines.push(ofPart(t, name, part, status));
  }
  if (status.parked > 0) {
    lines.push({ key: "parked", tone: "danger", title: t("status.parked"), meaning: t("status.parked-why", { count: status.parked }) });
  }
  const sees = roles.includes("auditor");
  const { state, copies } = status.trail;
  lines.push({
    key: "trail",
    tone: state === "broken" ? "danger" : "good",
    title: t("status.trail"),
    meaning: t(`status.trail-${state}`),
    more: sees ? <Link to="audit" text={t("status.open-trail")} /> : undefined,
  });
  lines.push({
    key: "copies",
    tone: copies !== null && copies.missing > 0 && copies.lagS >= LATE_S ? "attention" : "good",
    title: t("status.copies"),
    meaning:
      copies === null
        ? t("status.copies-none")
        : copies.missing > 0 && copies.lagS >= LATE_S
          ? t("status.copies-late", { time: waited(copies.lagS * 1_000) })
          : t("status.copies-there"),
  });
  const waiting = status.emergencies;
  if (waiting !== null) {
    const looks = sees || roles.includes("administrator");
    lines.push({
      key: "emergencies",
      tone: waiting.open > 0 ? "danger" : waiting.unreviewed > 0 ? "attention" : "good",
      title: t("status.emergencies"),
      meaning:
        waiting.open > 0
          ? t("status.emergencies-open", { count: waiting.open })
          : waiting.unreviewed > 0
            ? t("status.emergencies-unreviewed", { count: waiting.unreviewed })
            : t("status.emergencies-none"),
      more: looks && waiting.unreviewed > 0 ? <Link to="emergencies" text={t("status.open-emergencies")} /> : undefined,
    });
  }
  return lines;
}

/** A seal is made each minute, and copied at once: some minutes are no trouble. */
const LATE_S = 300;

function ofPart(t: ReturnType<typeof useWords>["t"], name: PlatformPart, part: PartStatus, status: Status): Line {
  const catching = name === "records" && part.state === "well" && status.catchingUp;
  const state = catching ? "strained" : part.state;
  const some = part.working !== undefined && part.of !== undefined && part.of > 1;
  const meaning = catching
    ? t("status.records.catching-up")
    : part.state === "strained"
      ? name === "records"
        ? t("status.records.strained")
        : t(name === "media" ? "status.media.strained" : "status.waiting-rooms.strained", { working: part.working ?? 0, of: part.of ?? 0 })
      : t(`status.${name}.${part.state}`);
  return {
    key: name,
    tone: state === "well" ? "good" : state === "strained" || name === "messages" || name === "presence" ? "attention" : "danger",
    title: t(`status.${name}`),
    meaning: part.state === "well" && some && !catching ? `${meaning} ${t("status.of", { working: part.working ?? 0, of: part.of ?? 0 })}` : meaning,
    since: part.since,
  };
}

function Link({ to, text }: { to: string; text: string }) {
  return (
    <a href={`#${to}`} className="part__link">
      {text}
    </a>
  );
}
