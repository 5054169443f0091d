import { useEffect, useRef } from "react";
import { useWords } from "../i18n";
import type { QueueView } from "../protocol/generated";
import { useAnnounce } from "../ui/Live/Live";
import { useSessionState } from "../ui/session";

/** Says once, politely, that somebody in the queue wrote. What is open on the page reads itself. */
export function useMessageNews(queue: QueueView, open: readonly (string | null)[]): void {
  const { t } = useWords();
  const { chat, me } = useSessionState();
  const announce = useAnnounce();
  const known = useRef<Record<string, number> | null>(null);

  useEffect(() => {
    const before = known.current;
    const counts = Object.entries(chat).map(
      ([visit, messages]) => [visit, messages.filter((message) => message.from !== me).length] as const,
    );
    known.current = Object.fromEntries(counts);
    if (before === null) return;
    for (const [visit, count] of counts) {
      // A visit heard of for the first time brings its history, which is no news.
      const entry = queue.entries.find((one) => one.visit === visit);
      if (entry === undefined || open.includes(visit) || count <= (before[visit] ?? count)) continue;
      announce(t("chat.arrived", { name: entry.name === "" ? t("common.unnamed") : entry.name }));
    }
  }, [announce, chat, me, open, queue, t]);
}
