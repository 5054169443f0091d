import { CircleCheck, MessageSquare, Mic, MicOff, MonitorUp, MonitorX, PhoneOff, Users, Video, VideoOff } from "lucide-react";
import { type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import { useWords } from "../i18n";
import { stopwatch } from "../i18n/time";
import type { VisitView } from "../protocol/generated";
import { Button } from "../ui/Button/Button";
import { CallBar, CallButton } from "../ui/CallBar/CallBar";
import { CallStage } from "../ui/CallStage/CallStage";
import { PathWords } from "../ui/CallStage/PathWords";
import { TapToHear } from "../ui/CallStage/TapToHear";
import { useNameOf } from "../ui/CallStage/useNameOf";
import { Chat } from "../ui/Chat/Chat";
import { useUnread } from "../ui/Chat/useUnread";
import { DeviceFaults } from "../ui/DeviceFaults/DeviceFaults";
import { Icon } from "../ui/Icon/Icon";
import { useKeys } from "../ui/Keys/useKeys";
import { LinkBanner } from "../ui/LinkState/LinkState";
import { Notice } from "../ui/Notice/Notice";
import { Problem } from "../ui/Notice/Problem";
import { Panel } from "../ui/Panel/Panel";
import { useServerNow, useSession, useSessionState } from "../ui/session";
import "../ui/room.css";
import { End } from "./End";
import { People } from "./People";
import { UnrecordedShort } from "./Unrecorded";
import type { Identity } from "./Who";

interface Props {
  visit: VisitView;
  /** Something of the waiting room is saved and not recorded yet. */
  unrecorded: boolean;
  /** From which of this visit's messages on. */
  unrecordedFrom: number | undefined;
  identity: Identity;
  keys: boolean;
  onKeys: () => void;
  /** Somebody waiting, looked at during the call. */
  beside: ReactNode;
  onCloseBeside: () => void;
}

/** The call, for who leads it. */
export function Room({ visit, unrecorded, unrecordedFrom, identity, keys, onKeys, beside, onCloseBeside }: Props) {
  const { t } = useWords();
  const session = useSession();
  const { local, media, me, chat } = useSessionState();
  const nameOf = useNameOf(visit);
  const messages = chat[visit.id] ?? [];
  // On a wide screen there is room for both from the start.
  const [panel, setPanel] = useState<"chat" | "people" | null>(() => (matchMedia("(min-width: 64rem)").matches ? "chat" : null));
  const [ending, setEnding] = useState(false);
  const patient = visit.participants.find((person) => person.role === "patient");
  const name = patient === undefined || patient.name === "" ? t("common.unnamed") : patient.name;
  const arrived = useCallback(() => t("chat.arrived", { name }), [name, t]);
  const shown = beside === null ? panel : null;
  const unread = useUnread(messages, me, shown === "chat", arrived);
  const opener = useRef<HTMLButtonElement>(null);
  const sharing = local.screen.status === "sharing";

  const toggle = (which: "chat" | "people") => {
    onCloseBeside();
    setPanel(shown === which ? null : which);
  };
  const closePanel = () => {
    setPanel(null);
    opener.current?.focus();
  };
  const share = () => {
    void (sharing ? session.stopSharing() : session.shareScreen()).catch(() => undefined);
  };
  useKeys(
    keys,
    {
      KeyM: () => session.setMicrophone(!local.microphone.on),
      KeyV: () => session.setCamera(!local.camera.on),
      KeyH: () => toggle("chat"),
      KeyL: () => setEnding(true),
    },
    onKeys,
  );
  useDevices();

  return (
    <section className="room" aria-label={t("room.label")} data-testid="call">
      <div className="room__head">
        <h1 className="room__title">{name}</h1>
        {visit.reason !== "" && <p className="room__reason quiet">{visit.reason}</p>}
        {identity.name && identity.birth && (
          <p className="room__identity">
            <Icon of={CircleCheck} />
            {t("room.identity")}
          </p>
        )}
        {unrecorded && <UnrecordedShort />}
        <PathWords />
        <Duration visit={visit} />
      </div>
      <LinkBanner />
      <div className="room__main">
        <div className="room__stage">
          <CallStage visit={visit} />
          <TapToHear />
          <div className="room__notices">
            <DeviceFaults modality="video" />
            <ShareRequests visit={visit} nameOf={nameOf} />
            {media.status === "failed" && <Problem code="network" tone="danger" />}
          </div>
        </div>
        {beside !== null && <div className="room__panel room__panel--who">{beside}</div>}
        {shown === "chat" && (
          <Panel title={t("chat.with", { name })} onClose={closePanel}>
            <Chat
              label={t("chat.with", { name })}
              messages={messages}
              me={me}
              nameOf={(message) => nameOf(message.from)}
              unrecorded={unrecordedFrom === undefined ? undefined : { from: unrecordedFrom, words: t("record.mark") }}
              onSend={(text) => session.chat(visit.id, text)}
            />
          </Panel>
        )}
        {shown === "people" && (
          <Panel title={t("room.people")} onClose={closePanel}>
            <People visit={visit} nameOf={nameOf} />
          </Panel>
        )}
      </div>
      <CallBar>
        <CallButton
          icon={local.microphone.on ? Mic : MicOff}
          word={t("call.sound")}
          state={t(local.microphone.on ? "call.on" : "call.off")}
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
        {local.screen.supported && (
          <CallButton
            icon={sharing ? MonitorX : MonitorUp}
            word={t("call.share")}
            state={sharing ? t("call.sharing") : undefined}
            look={sharing ? "active" : "plain"}
            onClick={share}
            testId="share"
          />
        )}
        <CallButton
          ref={opener}
          icon={MessageSquare}
          word={t("call.chat")}
          state={unread > 0 ? t("call.chat-new", { count: unread }) : shown === "chat" ? t("call.open") : undefined}
          look={shown === "chat" || unread > 0 ? "active" : "plain"}
          aria-expanded={shown === "chat"}
          onClick={() => toggle("chat")}
          testId="chat"
        />
        <CallButton
          icon={Users}
          word={t("room.people")}
          state={shown === "people" ? t("call.open") : undefined}
          look={shown === "people" ? "active" : "plain"}
          aria-expanded={shown === "people"}
          onClick={() => toggle("people")}
          testId="people"
        />
        <CallButton
          icon={PhoneOff}
          word={t("room.end")}
          look="end"
          aria-haspopup="dialog"
          onClick={() => setEnding(true)}
          testId="end"
        />
      </CallBar>
      {ending && <End visit={visit} onClose={() => setEnding(false)} />}
    </section>
  );
}

/** After a reload in a call the devices open again; being in a call is reason enough for the prompt. */
function useDevices(): void {
  const session = useSession();
  const { status } = useSessionState().local;
  const tried = useRef(false);
  useEffect(() => {
    if (status !== "idle" || tried.current) return;
    tried.current = true;
    void session.devices.open("video").catch(() => undefined);
  }, [session, status]);
}

function Duration({ visit }: { visit: VisitView }) {
  const { t } = useWords();
  const now = useServerNow();
  if (visit.phase.is !== "in-call") return null;
  const time = stopwatch(now - visit.phase.startedAt);
  return (
    <p className="room__duration figures" role="timer" aria-label={t("call.duration", { time })}>
      {time}
    </p>
  );
}

/** Who asks to share; one answer each. */
function ShareRequests({ visit, nameOf }: { visit: VisitView; nameOf: (participant: string) => string }) {
  const { t } = useWords();
  const session = useSession();
  return visit.shareRequests.map((participant) => (
    <div key={participant} role="alert" data-testid="share-request">
      <Notice
        icon={MonitorUp}
        title={t("share.request", { name: nameOf(participant) })}
        actions={
          <>
            <Button
              kind="primary"
              onClick={() => void session.grantShare(participant).catch(() => undefined)}
              data-testid="grant-share"
            >
              {t("share.allow")}
            </Button>
            <Button onClick={() => void session.stopSharing(participant).catch(() => undefined)}>
              {t("share.not-now")}
            </Button>
          </>
        }
      />
    </div>
  ));
}
