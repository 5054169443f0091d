import { ArrowRight, CircleCheck } from "lucide-react";
import { useEffect, useRef } from "react";
import { useWords } from "../i18n";
import { waited } from "../i18n/time";
import type { QueueView } from "../protocol/generated";
import { Button } from "../ui/Button/Button";
import { Icon } from "../ui/Icon/Icon";
import { useServerNow } from "../ui/session";
import { longestWait, minutesSince, waitingOf } from "./waiting";

export interface Finished {
  visit: string;
  name: string;
  startedAt: number;
}

interface Props {
  finished: Finished;
  queue: QueueView;
  onChoose: (visit: string | null) => void;
}

/** After a visit: what was recorded, and who is next. */
export function Ended({ finished, queue, onChoose }: Props) {
  const { t } = useWords();
  const now = useServerNow(10_000);
  const heading = useRef<HTMLHeadingElement>(null);
  const entry = queue.entries.find((one) => one.visit === finished.visit);
  const phase = entry?.phase;
  const next = waitingOf(queue)[0];
  const name = finished.name === "" ? t("common.unnamed") : finished.name;

  useEffect(() => heading.current?.focus(), []);

  return (
    <div className="home" data-testid="closed" data-outcome={phase?.is === "ended" ? phase.outcome : undefined}>
      <div className="home__now">
        <h1 ref={heading} tabIndex={-1}>
          {t("end.ended", { name })}
        </h1>
        {phase?.is === "ended" && (
          <p className="ended__outcome">
            <Icon of={CircleCheck} />
            <span>
              {t(entry?.unrecordedFrom === undefined ? "end.outcome" : "end.outcome-saved", { outcome: t(`queue.outcome.${phase.outcome}`) })}.{" "}
              {t("end.lasted", { time: waited(minutesSince(finished.startedAt, phase.at)) })}
            </span>
          </p>
        )}
        {next === undefined ? (
          <p className="quiet">{t("queue.empty-title")}.</p>
        ) : (
          <p className="figures">{t("home.longest", { time: waited(longestWait(queue, now)) })}</p>
        )}
        <div className="who__actions">
          {next !== undefined && (
            <Button kind="primary" icon={ArrowRight} onClick={() => onChoose(next.visit)} data-testid="open-next">
              {t("home.next", { name: next.name === "" ? t("common.unnamed") : next.name })}
            </Button>
          )}
          <Button onClick={() => onChoose(null)} data-testid="back">
            {t("end.to-queue")}
          </Button>
        </div>
      </div>
    </div>
  );
}
