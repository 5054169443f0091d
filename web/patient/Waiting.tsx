import { EyeOff, LogOut, Siren, Video } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useWords } from "../i18n";
import { clockTime } from "../i18n/time";
import type { VisitView } from "../protocol/generated";
import { Button } from "../ui/Button/Button";
import { Chat } from "../ui/Chat/Chat";
import { ClinicHeader } from "../ui/ClinicHeader/ClinicHeader";
import { DeviceFaults } from "../ui/DeviceFaults/DeviceFaults";
import { Dialog } from "../ui/Dialog/Dialog";
import { Icon } from "../ui/Icon/Icon";
import { LanguageSwitch } from "../ui/LanguageSwitch/LanguageSwitch";
import { useAnnounce } from "../ui/Live/Live";
import { Notice } from "../ui/Notice/Notice";
import { useServerNow, useSession, useSessionState, useVerb } from "../ui/session";
import { VideoTile } from "../ui/VideoTile/VideoTile";
import { useNameOf } from "../ui/CallStage/useNameOf";
import { AccessButton } from "./Access";
import { useModality } from "./modality";
import { useReopen } from "./useReopen";

/** A wait this far past the appointment (or past check-in, without one) deserves an apology, milliseconds. */
const LATE = 15 * 60_000;

/** The place in the queue, first and largest; then what the clinic says; then everything else. */
export function Waiting({ visit }: { visit: VisitView }) {
  const { t } = useWords();
  const session = useSession();
  const { me, chat } = useSessionState();
  const nameOf = useNameOf(visit);
  const [leaving, setLeaving] = useState(false);
  const clinician = visit.participants.find((person) => person.role === "clinician");
  const present = clinician?.connected === true;

  return (
    <>
      <ClinicHeader clinic={visit.clinic}>
        <LanguageSwitch />
      </ClinicHeader>
      <main className="page waiting" data-testid="waiting">
        <section className="waiting__place">
          <h1>{present ? t("waiting.title", { practitioner: visit.practitioner }) : t("waiting.title-absent")}</h1>
          <Place visit={visit} />
          {!present && <p>{t("waiting.absent", { practitioner: visit.practitioner })}</p>}
          <Late visit={visit} />
          <p className="quiet">{t("waiting.stay")}</p>
        </section>

        <section className="waiting__messages" aria-labelledby="messages">
          <h2 id="messages">{t("waiting.messages")}</h2>
          <Chat
            label={t("waiting.messages")}
            messages={chat[visit.id] ?? []}
            me={me}
            nameOf={(message) => (message.role === "clinician" ? visit.practitioner : nameOf(message.from))}
            onSend={(text) => session.chat(visit.id, text)}
          />
        </section>

        <SelfView />

        <footer className="waiting__foot">
          <p className="waiting__emergency">
            <Icon of={Siren} />
            {t("waiting.emergency")}
          </p>
          <AccessButton />
          <Button kind="quiet" icon={LogOut} onClick={() => setLeaving(true)} data-testid="leave">
            {t("waiting.leave")}
          </Button>
        </footer>
      </main>
      {leaving && <StopWaiting practitioner={visit.practitioner} onClose={() => setLeaving(false)} />}
      <NewMessages visit={visit} />
    </>
  );
}

/** "2 people before you", like the number over a counter. */
function Place({ visit }: { visit: VisitView }) {
  const { t, language } = useWords();
  const { link } = useSessionState();
  const announce = useAnnounce();
  // While the connection is open the server tells every change: what is shown is true now.
  const now = useServerNow(10_000);
  const [asOf, setAsOf] = useState(now);
  const said = useRef<number | null>(null);
  const ahead = visit.phase.is === "waiting" ? visit.phase.ahead : 0;
  const minutes = visit.phase.is === "waiting" ? visit.phase.minutes : null;
  const words = ahead === 0 ? t("waiting.next") : t("waiting.ahead-spoken", { count: ahead });

  useEffect(() => {
    if (link.is === "open") setAsOf(now);
  }, [link.is, now]);
  useEffect(() => {
    // Only a change of meaning is said aloud.
    if (said.current !== ahead && said.current !== null) announce(words);
    said.current = ahead;
  }, [ahead, announce, words]);

  return (
    <div className="place" data-testid="place" data-ahead={ahead}>
      {ahead === 0 ? (
        <p className="place__next">{t("waiting.next")}</p>
      ) : (
        <p className="place__ahead">
          <span className="place__number figures">{ahead}</span> <span>{t("waiting.ahead", { count: ahead })}</span>
        </p>
      )}
      <p className="place__range figures">{range()}</p>
      <p className="place__updated figures">{t("waiting.updated", { time: clockTime(asOf, language) })}</p>
    </div>
  );

  function range(): string {
    if (minutes === null) return t("waiting.range-unknown");
    const [from, to] = minutes;
    return from === 0 ? t("waiting.range-short", { to }) : t("waiting.range", { from, to });
  }
}

function Late({ visit }: { visit: VisitView }) {
  const { t } = useWords();
  const now = useServerNow(10_000);
  if (visit.phase.is !== "waiting") return null;
  const due = Math.max(visit.phase.since, visit.scheduledAt ?? 0);
  if (now - due < LATE) return null;
  return (
    <Notice tone="attention" title={t("waiting.late-title")}>
      <p>{t("waiting.late", { phone: visit.clinic.phone })}</p>
    </Notice>
  );
}

/** One's own picture, shown or hidden; and the devices again after a reload. */
function SelfView() {
  const { t } = useWords();
  const session = useSession();
  const { local } = useSessionState();
  const [modality] = useModality();
  const [shown, setShown] = useState(true);
  const mustAsk = useReopen(modality);
  const picture = modality === "video" && local.camera.on && local.stream !== null;

  return (
    <section className="waiting__self" aria-label={t("devices.title")}>
      <DeviceFaults modality={modality} />
      {mustAsk && (
        <Notice
          title={t("waiting.devices-off")}
          actions={
            <Button
              kind="primary"
              onClick={() => void session.devices.open(modality).catch(() => undefined)}
              data-testid="open-devices"
            >
              {t(modality === "video" ? "devices.turn-on" : "devices.turn-on-sound")}
            </Button>
          }
        >
          <p>{t("waiting.devices-off-why")}</p>
        </Notice>
      )}
      {picture && shown && (
        <div className="waiting__picture">
          <VideoTile self stream={local.stream} testId="self-video" label={t("call.self")} hasPicture />
        </div>
      )}
      <div className="waiting__self-words">
        <p>{t("waiting.private")}</p>
        {picture && (
          <Button kind="quiet" icon={shown ? EyeOff : Video} onClick={() => setShown(!shown)}>
            {t(shown ? "waiting.self-hide" : "waiting.self-show")}
          </Button>
        )}
      </div>
    </section>
  );
}

function StopWaiting({ practitioner, onClose }: { practitioner: string; onClose: () => void }) {
  const { t } = useWords();
  const session = useSession();
  const [leave, leaving] = useVerb(session.leave.bind(session));
  return (
    <Dialog
      title={t("waiting.leave-title")}
      onClose={onClose}
      actions={
        <>
          <Button kind="danger" busy={leaving} onClick={() => void leave()} data-testid="confirm-leave">
            {t("waiting.leave-yes")}
          </Button>
          <Button onClick={onClose}>{t("waiting.leave-no")}</Button>
        </>
      }
    >
      <p>{t("waiting.leave-body", { practitioner })}</p>
    </Dialog>
  );
}

/** The list itself is a log and is read by its own; this only marks the tab while nobody looks at it. */
function NewMessages({ visit }: { visit: VisitView }) {
  const { t } = useWords();
  const { chat, me } = useSessionState();
  const count = (chat[visit.id] ?? []).filter((message) => message.from !== me).length;
  const seen = useRef(count);
  useEffect(() => {
    if (count > seen.current && document.hidden) document.title = t("chat.arrived", { name: visit.practitioner });
    seen.current = count;
    const back = () => {
      if (!document.hidden) document.title = t("patient.page-title");
    };
    document.addEventListener("visibilitychange", back);
    return () => document.removeEventListener("visibilitychange", back);
  }, [count, t, visit.practitioner]);
  return null;
}
