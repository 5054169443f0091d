import { Mic, MicOff, MonitorX, Unplug, Video, VideoOff } from "lucide-react";
import { useWords } from "../i18n";
import type { VisitView } from "../protocol/generated";
import { Button } from "../ui/Button/Button";
import { Icon } from "../ui/Icon/Icon";
import { useSession, useSessionState } from "../ui/session";

/** Everybody in the visit, and how they are here. */
export function People({ visit, nameOf }: { visit: VisitView; nameOf: (participant: string) => string }) {
  const { t } = useWords();
  const session = useSession();
  const { me } = useSessionState();
  return (
    <ul className="people">
      {visit.participants.map((person) => (
        <li key={person.id} className="people__row">
          <p className="people__name">
            {nameOf(person.id)}{" "}
            <span className="quiet">
              {t(`room.role.${person.role}`)}
              {person.id === me && ` (${t("call.you")})`}
            </span>
          </p>
          {person.connected ? (
            <p className="people__state">
              <Icon of={person.microphone ? Mic : MicOff} />
              {t(person.microphone ? "room.microphone-on" : "room.microphone-off")}
              <Icon of={person.camera ? Video : VideoOff} />
              {t(person.camera ? "room.camera-on" : "room.camera-off")}
            </p>
          ) : (
            <p className="people__state people__state--away">
              <Icon of={Unplug} />
              {t("room.away")}
            </p>
          )}
          {visit.sharer === person.id && person.id !== me && (
            <Button icon={MonitorX} onClick={() => void session.stopSharing(person.id).catch(() => undefined)}>
              {t("call.stop-sharing")}
            </Button>
          )}
        </li>
      ))}
    </ul>
  );
}
