import { Ellipsis, LogOut, MessageSquare, Mic, MicOff, Video, VideoOff } from "lucide-react";
import { useCallback, useEffect, useRef, useState } from "react";
import { useWords } from "../i18n";
import type { VisitView } from "../protocol/generated";
import { Button } from "../ui/Button/Button";
import { CallBar, CallButton } from "../ui/CallBar/CallBar";
import { CallStage } from "../ui/CallStage/CallStage";
import { PathWords } from "../ui/CallStage/PathWords";
import { TapToHear } from "../ui/CallStage/TapToHear";
import { useNameOf } from "../ui/CallStage/useNameOf";
import { Chat } from "../ui/Chat/Chat";
import { useUnread } from "../ui/Chat/useUnread";
import { chime } from "../ui/chime";
import { PhoneLink } from "../ui/ClinicHeader/ClinicHeader";
import { Dialog } from "../ui/Dialog/Dialog";
import { KeysDialog } from "../ui/Keys/KeysDialog";
import { useKeys, useKeysEnabled } from "../ui/Keys/useKeys";
import { LinkBanner } from "../ui/LinkState/LinkState";
import { useAnnounce } from "../ui/Live/Live";
import { Notice } from "../ui/Notice/Notice";
import { Problem } from "../ui/Notice/Problem";
import { Panel } from "../ui/Panel/Panel";
import { useSession, useSessionState, useVerb } from "../ui/session";
import "../ui/room.css";
import { More } from "./More";
import { useModality } from "./modality";
import { useReopen } from "./useReopen";

/** The call: the clinician large, oneself small, four buttons with words. */
export default function Call({ visit }: { visit: VisitView }) {
  const { t } = useWords();
  const session = useSession();
  const { local, media, me, chat } = useSessionState();
  const nameOf = useNameOf(visit);
  const messages = chat[visit.id] ?? [];
  const [open, setOpen] = useState<"chat" | "more" | "leave" | "keys" | null>(null);
  const [keys, setKeys] = useKeysEnabled();
  const chatButton = useRef<HTMLButtonElement>(null);
  const arrived = useCallback(
    () => t("chat.arrived", { name: visit.practitioner }),
    [t, visit.practitioner],
  );
  const unread = useUnread(messages, me, open === "chat", arrived);
  useWelcome(visit);

  const toggleChat = () => {
    setOpen(open === "chat" ? null : "chat");
    if (open === "chat") chatButton.current?.focus();
  };
  useKeys(
    keys,
    {
      KeyM: () => session.setMicrophone(!local.microphone.on),
      KeyV: () => session.setCamera(!local.camera.on),
      KeyH: toggleChat,
      KeyL: () => setOpen("leave"),
    },
    () => setOpen("keys"),
  );

  return (
    <main className="room" data-theme="call" data-testid="call">
      <div className="room__head">
        <h1 className="room__title">{visit.practitioner}</h1>
        {visit.clinic.phone !== "" && <PhoneLink phone={visit.clinic.phone} />}
      </div>
      <LinkBanner />
      <div className="room__main">
        <div className="room__stage">
          <CallStage visit={visit} />
          <div className="room__path">
            <PathWords />
          </div>
          <TapToHear />
          <Notices visit={visit} />
        </div>
        {open === "chat" && (
          <Panel title={t("chat.with", { name: visit.practitioner })} onClose={toggleChat}>
            <Chat
              label={t("chat.with", { name: visit.practitioner })}
              messages={messages}
              me={me}
              nameOf={(message) => nameOf(message.from)}
              onSend={(text) => session.chat(visit.id, text)}
            />
          </Panel>
        )}
      </div>
      <CallBar>
        <CallButton
          icon={local.microphone.on ? Mic : MicOff}
          word={t("call.sound")}
          state={local.microphone.fault !== null ? t("call.unavailable") : t(local.microphone.on ? "call.on" : "call.off")}
          look={local.microphone.on ? "plain" : "off"}
          onClick={() => session.setMicrophone(!local.microphone.on)}
          testId="sound"
        />
        <CallButton
          icon={local.camera.on ? Video : VideoOff}
          word={t("call.camera")}
          state={t(local.camera.on ? "call.on" : "call.off")}
          look={local.camera.on ? "plain" : "off"}
          onClick={() => session.setCamera(!local.camera.on)}
          testId="camera"
        />
        <CallButton
          ref={chatButton}
          icon={MessageSquare}
          word={t("call.chat")}
          state={unread > 0 ? t("call.chat-new", { count: unread }) : open === "chat" ? t("call.open") : undefined}
          look={open === "chat" || unread > 0 ? "active" : "plain"}
          aria-expanded={open === "chat"}
          onClick={toggleChat}
          testId="chat"
        />
        <CallButton icon={Ellipsis} word={t("call.more")} aria-haspopup="dialog" onClick={() => setOpen("more")} testId="more" />
        <CallButton
          icon={LogOut}
          word={t("call.leave")}
          look="end"
          aria-haspopup="dialog"
          onClick={() => setOpen("leave")}
          testId="leave"
        />
      </CallBar>
      {open === "more" && <More visit={visit} onClose={() => setOpen(null)} onKeys={() => setOpen("keys")} />}
      {open === "leave" && <LeaveCall practitioner={visit.practitioner} onClose={() => setOpen(null)} />}
      {open === "keys" && (
        <KeysDialog
          enabled={keys}
          onEnable={setKeys}
          onClose={() => setOpen(null)}
          keys={[
            { key: "Alt M", does: "keys.sound" },
            { key: "Alt V", does: "keys.camera" },
            { key: "Alt H", does: "keys.chat" },
            { key: "Alt L", does: "keys.leave" },
            { key: "?", does: "keys.help" },
          ]}
        />
      )}
      {media.status === "failed" && (
        <div className="room__failed" role="alert">
          <Problem code="network" tone="danger" />
        </div>
      )}
    </main>
  );
}

/** Says "you can go in" once, with a sound, in case the patient looks elsewhere. */
function useWelcome(visit: VisitView): void {
  const { t } = useWords();
  const announce = useAnnounce();
  const [modality] = useModality();
  const startedAt = visit.phase.is === "in-call" ? visit.phase.startedAt : null;
  const said = useRef<number | null>(null);
  useEffect(() => {
    if (startedAt === null || said.current === startedAt) return;
    said.current = startedAt;
    const how = modality === "video" ? "call.started" : "call.started-sound";
    announce(`${t("waiting.go-in")}. ${t(how, { practitioner: visit.practitioner })}`, "assertive");
    void chime();
  }, [announce, modality, startedAt, t, visit.practitioner]);
}

/** What needs an answer, over the picture: devices after a reload, a granted share. */
function Notices({ visit }: { visit: VisitView }) {
  const { t } = useWords();
  const session = useSession();
  const { local } = useSessionState();
  const [modality] = useModality();
  const mustAsk = useReopen(modality);
  const { screen } = local;
  return (
    <div className="room__notices">
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
        />
      )}
      {screen.status === "requested" && (
        <Notice
          actions={
            <Button onClick={() => void session.stopSharing().catch(() => undefined)}>{t("share.withdraw")}</Button>
          }
        >
          <p role="status">{t("share.asked", { name: visit.practitioner })}</p>
        </Notice>
      )}
      {screen.status === "granted" && (
        <Notice
          tone="good"
          actions={
            <>
              <Button
                kind="primary"
                onClick={() => void session.shareScreen().catch(() => undefined)}
                data-testid="share"
              >
                {t("share.choose")}
              </Button>
              <Button onClick={() => void session.stopSharing().catch(() => undefined)}>{t("share.not-now")}</Button>
            </>
          }
        >
          <p role="status">{t("share.granted", { name: visit.practitioner })}</p>
        </Notice>
      )}
    </div>
  );
}

function LeaveCall({ practitioner, onClose }: { practitioner: string; onClose: () => void }) {
  const { t } = useWords();
  const session = useSession();
  const [leave, leaving] = useVerb(session.leave.bind(session));
  return (
    <Dialog
      title={t("call.leave-title")}
      onClose={onClose}
      actions={
        <>
          <Button
            kind="danger"
            icon={LogOut}
            busy={leaving}
            onClick={() => void leave().then((left) => (left ? undefined : onClose()))}
            data-testid="confirm-leave"
          >
            {t("call.leave-yes")}
          </Button>
          <Button onClick={onClose}>{t("call.leave-no")}</Button>
        </>
      }
    >
      <p>{t("call.leave-body", { practitioner })}</p>
    </Dialog>
  );
}

