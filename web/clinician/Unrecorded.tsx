import { Clock } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useWords } from "../i18n";
import type { QueueView } from "../protocol/generated";
import { Icon } from "../ui/Icon/Icon";
import { useAnnounce } from "../ui/Live/Live";

/** A database that is merely slow is nobody's news, milliseconds. */
export const LASTING = 2_000;

/** Whether something has been saved and not recorded for longer than a moment; said aloud when it begins and ends. */
export function useUnrecorded(queue: QueueView): boolean {
  const { t } = useWords();
  const announce = useAnnounce();
  const now = queue.unrecorded === true;
  // A page that is opened meanwhile says it at once.
  const [lasting, setLasting] = useState(now);
  if (lasting && !now) setLasting(false);
  useEffect(() => {
    if (!now) return undefined;
    const timer = setTimeout(() => setLasting(true), LASTING);
    return () => clearTimeout(timer);
  }, [now]);

  const was = useRef(false);
  useEffect(() => {
    if (was.current === lasting) return;
    was.current = lasting;
    announce(lasting ? `${t("record.title")}. ${t("record.means")}` : t("record.done"));
  }, [announce, lasting, t]);
  return lasting;
}

/** A quiet line for the clinician. It goes by itself, and nothing that can be pressed moves for it. */
export function Unrecorded() {
  const { t } = useWords();
  return (
    <footer className="unrecorded" data-testid="unrecorded">
      <Icon of={Clock} />
      <p>
        <span className="unrecorded__title">{t("record.title")}.</span>{" "}
        <span className="quiet">{t("record.means")}</span>
      </p>
    </footer>
  );
}

/** The same in the head of a call: the words alone. */
export function UnrecordedShort() {
  const { t } = useWords();
  return (
    <p className="unrecorded-short" data-testid="unrecorded">
      <Icon of={Clock} />
      {t("record.title")}
    </p>
  );
}
