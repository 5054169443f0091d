import { useWords } from "../i18n";
import type { QueueEntry, QueueView } from "../protocol/generated";
import { QueueRow } from "../ui/QueueRow/QueueRow";
import { useServerNow } from "../ui/session";
import { useUnreadByVisit } from "./useUnreadByVisit";
import { age, away, waitingOf } from "./waiting";

interface Props {
  queue: QueueView;
  chosen: string | null;
  onChoose: (visit: string) => void;
}

const later = ["in-call", "booked", "ended"] as const;

/** Everybody of today, those who wait first. */
export function Queue({ queue, chosen, onChoose }: Props) {
  const { t } = useWords();
  const now = useServerNow();
  const unread = useUnreadByVisit(chosen);
  const waiting = waitingOf(queue);
  const row = (entry: QueueEntry, first: boolean) => (
    <QueueRow
      key={entry.visit}
      entry={entry}
      waited_ms={age(entry, now)}
      away_ms={away(entry, now)}
      first={first}
      selected={entry.visit === chosen}
      unread={entry.phase.is === "waiting" || entry.phase.is === "booked" ? unread(entry.visit) : 0}
      onSelect={onChoose}
    />
  );

  return (
    <nav className="desk__queue" aria-label={t("queue.label")} data-testid="queue">
      <h1 className="queue__title">
        {t("queue.title")} <span className="figures queue__count">{waiting.length}</span>
      </h1>
      {waiting.length === 0 && (
        <div className="queue__empty">
          <p>{t("queue.empty-title")}</p>
          <p className="quiet">{t("queue.empty")}</p>
        </div>
      )}
      <ul>{waiting.map((entry, at) => row(entry, at === 0 && waiting.length > 1))}</ul>
      {later.map((phase) => {
        const entries = queue.entries.filter((entry) => entry.phase.is === phase);
        if (entries.length === 0) return null;
        return (
          <section key={phase}>
            <h2 className="queue__part">{t(`queue.${phase}`)}</h2>
            <ul>{entries.map((entry) => row(entry, false))}</ul>
          </section>
        );
      })}
      {queue.more > 0 && <p className="queue__more quiet">{t("queue.more", { count: queue.more })}</p>}
    </nav>
  );
}
