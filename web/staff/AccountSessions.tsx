import { MonitorSmartphone } from "lucide-react";
import { useWords } from "../i18n";
import { dayAndTime } from "../i18n/time";
import type { OwnSession } from "../identity";
import { Button } from "../ui/Button/Button";
import { Icon } from "../ui/Icon/Icon";
import { useAnnounce } from "../ui/Live/Live";
import { useStaff } from "./context";
import { Trouble } from "./Trouble";
import { useTry } from "./useTry";

interface Props {
  sessions: readonly OwnSession[];
  onChanged: () => Promise<void>;
}

/** Where somebody is signed in, and ending it from here. */
export function Sessions({ sessions, onChanged }: Props) {
  const { t, language } = useWords();
  const { session } = useStaff();
  const announce = useAnnounce();
  const end = useTry(async (id: string) => {
    await session.ask({ method: "DELETE", path: `/api/v1/me/sessions/${id}` });
    await onChanged();
    announce(t("sessions.ended"));
  });
  const when = (at: number) => dayAndTime(at, Date.now(), language);
  return (
    <section className="account__part" aria-labelledby="sessions-title">
      <h2 id="sessions-title">{t("sessions.title")}</h2>
      <p className="quiet">{t("sessions.why")}</p>
      <Trouble problem={end.problem} />
      <ul className="own-list" data-testid="sessions">
        {sessions.map((one) => (
          <li key={one.id}>
            <Icon of={MonitorSmartphone} />
            <div>
              <p>
                <strong>{one.current ? t("sessions.this") : t("sessions.since", { when: when(one.startedAt) })}</strong>
              </p>
              <p className="quiet small">
                {one.current ? t("sessions.since", { when: when(one.startedAt) }) : t(one.locked ? "sessions.locked" : "sessions.until", { when: when(one.endsAt) })}
              </p>
            </div>
            {!one.current && (
              <Button aria-label={t("sessions.end-this", { when: when(one.startedAt) })} busy={end.running} onClick={() => void end.run(one.id)} data-testid="end-session">
                {t("sessions.end")}
              </Button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
