import { ListOrdered } from "lucide-react";
import { useState } from "react";
import { useWords } from "../i18n";
import { waited, waitedShort } from "../i18n/time";
import type { QueueView } from "../protocol/generated";
import { Button } from "../ui/Button/Button";
import { Dialog } from "../ui/Dialog/Dialog";
import { useServerNow } from "../ui/session";
import { Queue } from "./Queue";
import { useUnreadByVisit } from "./useUnreadByVisit";
import { age, longestWait, waitingOf } from "./waiting";

interface Props {
  queue: QueueView;
  chosen: string | null;
  onChoose: (visit: string) => void;
}

/** The queue during a call: narrow, never gone. On a phone, one line that opens it. */
export function QueueStrip({ queue, chosen, onChoose }: Props) {
  const { t } = useWords();
  const now = useServerNow();
  const unread = useUnreadByVisit(chosen);
  const [open, setOpen] = useState(false);
  const waiting = waitingOf(queue);
  const summary =
    waiting.length === 0
      ? t("queue.empty-title")
      : t("queue.summary", { count: waiting.length, time: waited(longestWait(queue, now)) });

  return (
    <nav className="strip" aria-label={t("queue.label")} data-testid="queue-strip">
      <Button kind="quiet" icon={ListOrdered} className="strip__open" onClick={() => setOpen(true)}>
        {summary}
      </Button>
      <h2 className="strip__title">
        {t("queue.title")} <span className="figures">{waiting.length}</span>
      </h2>
      <ul className="strip__rows">
        {waiting.map((entry) => (
          <li key={entry.visit}>
            <button
              type="button"
              className="strip__row"
              aria-current={entry.visit === chosen ? "true" : undefined}
              onClick={() => onChoose(entry.visit)}
              data-testid="queue-row"
              data-visit={entry.visit}
            >
              <span className="strip__wait figures">{waitedShort(age(entry, now))}</span>{" "}
              <span className="strip__name">{entry.name === "" ? t("common.unnamed") : entry.name}</span>{" "}
              {unread(entry.visit) > 0 && (
                <span className="tag tag--new">{t("call.chat-new", { count: unread(entry.visit) })}</span>
              )}
            </button>
          </li>
        ))}
      </ul>
      {waiting.length === 0 && <p className="strip__empty quiet">{t("queue.empty-title")}</p>}
      {open && (
        <Dialog title={t("queue.label")} onClose={() => setOpen(false)} closable>
          <Queue
            queue={queue}
            chosen={chosen}
            onChoose={(visit) => {
              setOpen(false);
              onChoose(visit);
            }}
          />
        </Dialog>
      )}
    </nav>
  );
}
