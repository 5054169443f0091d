import { useCallback, useEffect, useRef, useState } from "react";
import { useWords } from "../i18n";
import type { QueueView, VisitView } from "../protocol/generated";
import { ClinicHeader } from "../ui/ClinicHeader/ClinicHeader";
import { LinkBanner, LinkPage, Opening, Refused, Replaced } from "../ui/LinkState/LinkState";
import { LiveRegion } from "../ui/Live/Live";
import { useKeys, useKeysEnabled } from "../ui/Keys/useKeys";
import { KeysDialog } from "../ui/Keys/KeysDialog";
import { ProblemToast } from "../ui/Toast/ProblemToast";
import { useSessionState } from "../ui/session";
import "./clinic.css";
import { DeskTools } from "./DeskTools";
import { type Finished, Ended } from "./Ended";
import { Home } from "./Home";
import { Invite } from "./Invite";
import { Queue } from "./Queue";
import { QueueStrip } from "./QueueStrip";
import { Room } from "./Room";
import { Unrecorded, useUnrecorded } from "./Unrecorded";
import { useMessageNews } from "./useMessageNews";
import { Who, type Identity, unconfirmed } from "./Who";

export function ClinicApp() {
  return (
    <LiveRegion>
      <Page />
      <ProblemToast />
    </LiveRegion>
  );
}

function Page() {
  const { t } = useWords();
  const { link, queue, visit, greeting } = useSessionState();
  if (link.is === "refused") {
    return link.because === "over" ? (
      <Refused link={link} />
    ) : (
      <LinkPage state={`refused-${link.because}`} clinic={link.clinic} title={t("clinic.no-seat.title")}>
        <p>{t("clinic.no-seat.body")}</p>
        <p>
          <a href="/rooms" className="button button--primary" data-testid="to-rooms">
            {t("clinic.no-seat.action")}
          </a>
        </p>
      </LinkPage>
    );
  }
  if (link.is === "replaced") return <Replaced />;
  if (link.is === "closed") {
    return (
      <LinkPage state="closed" clinic={queue?.clinic ?? greeting?.clinic ?? null} title={t("clinic.closed.title")}>
        <p>{t("clinic.closed.body")}</p>
      </LinkPage>
    );
  }
  if (queue === null) return <Opening />;
  return <Desk queue={queue} visit={visit?.phase.is === "in-call" ? visit : null} />;
}

/** The queue always; beside it who was chosen, or the call. */
function Desk({ queue, visit }: { queue: QueueView; visit: VisitView | null }) {
  const { t } = useWords();
  const [chosen, setChosen] = useState<string | null>(null);
  const [identities, setIdentities] = useState<Record<string, Identity>>({});
  const [dialog, setDialog] = useState<"invite" | "keys" | null>(null);
  const [keys, setKeys] = useKeysEnabled();
  const [finished, setFinished] = useFinished(queue, visit);
  // Whoever was being looked at has come in: the call begins with nobody beside it.
  const [callOf, setCallOf] = useState<string | null>(null);
  if (callOf !== (visit?.id ?? null)) {
    setCallOf(visit?.id ?? null);
    setChosen(null);
  }
  const identity = (id: string) => identities[id] ?? unconfirmed;

  const entry = queue.entries.find((one) => one.visit === chosen) ?? null;
  // One function for good: three hundred rows are not drawn anew because a microphone's level moved.
  const choose = useCallback(
    (id: string | null) => {
      setChosen(id);
      setFinished(null);
    },
    [setFinished],
  );

  const unrecorded = useUnrecorded(queue);
  const unrecordedFrom = (id: string) =>
    unrecorded ? queue.entries.find((one) => one.visit === id)?.unrecordedFrom : undefined;
  useMessageNews(queue, [chosen, visit?.id ?? null]);
  // In the call, the room listens to the keys itself.
  useKeys(keys && visit === null, {}, () => setDialog("keys"));
  const who = entry !== null && (
    <Who
      key={entry.visit}
      entry={entry}
      unrecordedFrom={unrecordedFrom(entry.visit)}
      identity={identity(entry.visit)}
      onIdentity={(next) => setIdentities((all) => ({ ...all, [entry.visit]: next }))}
      busy={visit !== null}
      keys={keys}
      onBack={() => choose(null)}
    />
  );

  return (
    <div
      className="desk"
      data-mode={visit === null ? "queue" : "room"}
      data-chosen={entry !== null || finished !== null}
      data-theme={visit === null ? undefined : "call"}
    >
      <ClinicHeader clinic={queue.clinic} help={false}>
        <DeskTools queue={queue} onInvite={() => setDialog("invite")} onKeys={() => setDialog("keys")} />
      </ClinicHeader>
      {visit === null && <LinkBanner />}
      <main className="desk__columns" aria-label={t("clinic.page-title")}>
        {visit === null ? (
          <Queue queue={queue} chosen={chosen} onChoose={choose} />
        ) : (
          <QueueStrip queue={queue} chosen={chosen} onChoose={setChosen} />
        )}
        {visit === null ? (
          <div className="desk__main">
            {who !== false ? (
              who
            ) : finished !== null ? (
              <Ended finished={finished} queue={queue} onChoose={choose} />
            ) : (
              <Home queue={queue} onChoose={choose} />
            )}
          </div>
        ) : (
          <Room
            visit={visit}
            unrecorded={unrecorded}
            unrecordedFrom={unrecordedFrom(visit.id)}
            identity={identity(visit.id)}
            keys={keys}
            onKeys={() => setDialog("keys")}
            beside={who === false ? null : who}
            onCloseBeside={() => setChosen(null)}
          />
        )}
      </main>
      {unrecorded && visit === null && <Unrecorded />}
      {dialog === "invite" && <Invite onClose={() => setDialog(null)} />}
      {dialog === "keys" && (
        <KeysDialog
          enabled={keys}
          onEnable={setKeys}
          onClose={() => setDialog(null)}
          keys={[
            { key: "Alt A", does: "keys.admit" },
            { key: "Alt M", does: "keys.sound" },
            { key: "Alt V", does: "keys.camera" },
            { key: "Alt H", does: "keys.chat" },
            { key: "Alt L", does: "keys.end" },
            { key: "?", does: "keys.help" },
          ]}
        />
      )}
    </div>
  );
}

/** The visit that just ended, until somebody else is chosen. */
function useFinished(queue: QueueView, visit: VisitView | null): [Finished | null, (finished: Finished | null) => void] {
  const [finished, setFinished] = useState<Finished | null>(null);
  const was = useRef<VisitView | null>(null);
  useEffect(() => {
    const before = was.current;
    was.current = visit;
    if (before !== null && visit === null && before.phase.is === "in-call") {
      const patient = before.participants.find((person) => person.role === "patient");
      setFinished({ visit: before.id, name: patient?.name ?? "", startedAt: before.phase.startedAt });
    }
    if (visit !== null) setFinished(null);
  }, [visit, queue]);
  return [finished, setFinished];
}
