import { useEffect, useMemo, useRef, useState } from "react";
import { useWords } from "../i18n";
import type { QueueView } from "../protocol/generated";
import { chime, primeSound } from "../ui/chime";
import { useAnnounce } from "../ui/Live/Live";
import { waitingOf } from "./waiting";

const STORED = "telehealth.alerts";
/** A morning rush rings once, not twelve times, milliseconds. */
const QUIET = 5_000;

/** Tells that somebody arrived: sound, notification when the page is hidden, the tab's title, a live region. */
export function useArrivals(queue: QueueView): { alerts: boolean; setAlerts: (on: boolean) => void } {
  const { t } = useWords();
  const announce = useAnnounce();
  const [alerts, setAlertsState] = useState(() => {
    try {
      return localStorage.getItem(STORED) !== "off";
    } catch {
      return true;
    }
  });
  const known = useRef<ReadonlySet<string> | null>(null);
  const rang = useRef(0);
  const waiting = useMemo(() => waitingOf(queue), [queue]);

  useEffect(() => {
    // Browsers hold sound back until somebody clicks; the first click anywhere will do.
    const first = () => primeSound();
    addEventListener("pointerdown", first, { once: true });
    addEventListener("keydown", first, { once: true });
    return () => {
      removeEventListener("pointerdown", first);
      removeEventListener("keydown", first);
    };
  }, []);

  useEffect(() => {
    const before = known.current;
    known.current = new Set(waiting.map((entry) => entry.visit));
    if (before === null) return; // The page was just opened: these did not arrive now.
    const arrived = waiting.filter((entry) => !before.has(entry.visit));
    const newest = arrived.at(-1);
    if (newest === undefined) return;
    announce(t("queue.arrived", { name: newest.name === "" ? t("common.unnamed") : newest.name }));
    if (!alerts || Date.now() - rang.current < QUIET) return;
    rang.current = Date.now();
    void chime();
    notify(t("alerts.notification"));
  }, [alerts, announce, t, waiting]);

  useEffect(() => {
    const count = waiting.length;
    document.title = count === 0 ? t("clinic.page-title") : t("clinic.page-title-waiting", { count });
    const badge = navigator as Navigator & { setAppBadge?: (count: number) => Promise<void> };
    badge.setAppBadge?.(count).catch(() => undefined);
  }, [t, waiting.length]);

  return {
    alerts,
    setAlerts: (on) => {
      setAlertsState(on);
      try {
        localStorage.setItem(STORED, on ? "on" : "off");
      } catch {
        // Not remembered; it holds for this page.
      }
      if (!on) return;
      void chime(); // So that they know it by ear.
      if ("Notification" in window && Notification.permission === "default") {
        Notification.requestPermission().catch(() => undefined);
      }
    },
  };
}

/** No name: notifications show on locked screens and on projectors. */
function notify(title: string): void {
  if (!("Notification" in window) || Notification.permission !== "granted" || !document.hidden) return;
  try {
    const shown = new Notification(title, { tag: "arrival" });
    shown.addEventListener("click", () => {
      window.focus();
      shown.close();
    });
  } catch {
    // Android allows them from service workers only; sound and title have told already.
  }
}
