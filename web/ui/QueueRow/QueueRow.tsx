import { Unplug } from "lucide-react";
import { memo } from "react";
import { useWords } from "../../i18n";
import { clockTime, waited, waitedShort } from "../../i18n/time";
import type { QueueEntry } from "../../protocol/generated";
import { Health } from "../Health/Health";
import { Icon } from "../Icon/Icon";
import "./QueueRow.css";

/** How long somebody counts as new, milliseconds. */
const NEW = 60_000;

interface Props {
  entry: QueueEntry;
  /** How long they wait (or talk), whole minutes in milliseconds: three hundred rows are drawn once a minute. */
  waited_ms: number;
  /** How long their connection is gone. */
  away_ms: number | null;
  first: boolean;
  selected: boolean;
  unread: number;
  onSelect: (visit: string) => void;
}

/** One line of the queue. The wait is the loudest thing in it. */
export const QueueRow = memo(function QueueRow({ entry, waited_ms, away_ms, first, selected, unread, onSelect }: Props) {
  const { t, language } = useWords();
  const { phase } = entry;
  const waiting = phase.is === "waiting";
  const name = entry.name === "" ? t("common.unnamed") : entry.name;
  const isNew = waiting && waited_ms < NEW;
  return (
    <li className={`queue-row queue-row--${phase.is}`}>
      <button
        type="button"
        className="queue-row__button"
        aria-current={selected ? "true" : undefined}
        onClick={() => onSelect(entry.visit)}
        data-testid="queue-row"
        data-visit={entry.visit}
      >
        <span className="queue-row__lead">
          <span className="queue-row__wait figures">{lead()}</span>{" "}
          {waiting && first && <span className="queue-row__first">{t("queue.first")}</span>}
        </span>{" "}
        <span className="queue-row__who">
          <span className="queue-row__name">{name}</span>{" "}
          {waiting && entry.escalatedAt !== undefined && <span className="tag tag--desk">{t("queue.escalated")}</span>}{" "}
          {isNew && <span className="tag tag--new">{t("queue.new")}</span>}{" "}
          {unread > 0 && <span className="tag tag--new">{t("queue.messages", { count: unread })}</span>}{" "}
          {entry.reason !== "" && <span className="queue-row__reason">{entry.reason}</span>}
        </span>
        {waiting && away_ms === null && <Health devices={entry.devices} />}
        {waiting && away_ms !== null && (
          <span className="queue-row__away">
            <Icon of={Unplug} />
            {t("queue.away", { time: waited(away_ms) })}
          </span>
        )}
      </button>
    </li>
  );

  function lead(): string {
    if (phase.is === "waiting" || phase.is === "in-call") return waitedShort(waited_ms);
    if (phase.is === "ended") return t(`queue.outcome.${phase.outcome}`);
    return entry.scheduledAt === null ? t("queue.not-scheduled") : clockTime(entry.scheduledAt, language);
  }
});
