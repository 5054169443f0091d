import { useEffect, useRef } from "react";
import { MicOff, MonitorUp, Unplug, UserRound, VideoOff } from "lucide-react";
import type { Remote } from "../../call/session";
import { useWords } from "../../i18n";
import type { ParticipantView, VisitView } from "../../protocol/generated";
import { Button } from "../Button/Button";
import { Icon } from "../Icon/Icon";
import { useSession, useSessionState } from "../session";
import { VideoTile } from "../VideoTile/VideoTile";
import { useNameOf } from "./useNameOf";
import "./CallStage.css";

/** The pictures: the other person whole, yourself small, a shared screen first when there is one. */
export function CallStage({ visit }: { visit: VisitView }) {
  const { t } = useWords();
  const session = useSession();
  const { me, media, local } = useSessionState();
  const nameOf = useNameOf(visit);
  const others = visit.participants.filter((person) => person.id !== me);
  const sharing = local.screen.status === "sharing";
  const screen = sharing ? null : media.screen;
  const layout = screen === null ? "people" : "screen";
  const count = Math.max(1, others.length);

  return (
    <div className={`stage stage--${layout}`} data-people={count > 1 ? "several" : "one"}>
      {screen !== null && (
        <figure className="stage__screen">
          <VideoTile
            stream={screen.stream}
            testId="screen-video"
            label={t("call.screen-of", { name: nameOf(screen.participant) })}
            hasPicture
          />
          <figcaption className="stage__caption">
            <Icon of={MonitorUp} />
            {t("call.screen-of", { name: nameOf(screen.participant) })}
          </figcaption>
        </figure>
      )}
      <div className="stage__people">
        {others.map((person) => (
          <Person
            key={person.id}
            person={person}
            name={nameOf(person.id)}
            named={count > 1}
            remote={media.remotes.find((remote) => remote.participant === person.id) ?? null}
          />
        ))}
        {others.length === 0 && (
          <div className="stage__person">
            <p className="stage__nobody">{t("call.waiting-for", { name: visit.practitioner })}</p>
          </div>
        )}
      </div>
      <Myself />
      {sharing && (
        <div className="stage__sharing" role="status">
          <div className="stage__sharing-picture">
            <VideoTile
              stream={local.screen.stream}
              testId="own-screen-video"
              label={t("call.your-screen-short")}
              hasPicture
            />
          </div>
          <p>{t("call.your-screen")}</p>
          <Button onClick={() => void session.stopSharing().catch(() => undefined)} data-testid="stop-sharing">
            {t("call.stop-sharing")}
          </Button>
        </div>
      )}
    </div>
  );
}

interface PersonProps {
  person: ParticipantView;
  name: string;
  remote: Remote | null;
  named: boolean;
}

function Person({ person, name, remote, named }: PersonProps) {
  const { t } = useWords();
  const picture = remote?.hasPicture === true && person.camera;
  // A first picture is coming; one that went away is not promised again.
  const seen = useRef(false);
  useEffect(() => {
    if (picture) seen.current = true;
  }, [picture]);
  return (
    <figure className="stage__person" data-participant={person.id}>
      <VideoTile
        stream={remote?.stream ?? null}
        testId="remote-video"
        label={t("call.picture-of", { name })}
        hasPicture={picture}
        instead={<Instead />}
      />
      {/* Of one person the title says the name; the caption says only what is wrong. */}
      {(named || !person.microphone) && (
        <figcaption className="stage__caption">
          {!person.microphone && <Icon of={MicOff} />}
          {person.microphone ? name : t("call.muted-of", { name })}
        </figcaption>
      )}
    </figure>
  );

  function Instead() {
    let words = t("call.picture-coming", { name });
    let drawing = UserRound;
    if (!person.connected) {
      words = t("call.away", { name });
      drawing = Unplug;
    } else if (!person.camera) {
      words = t("call.camera-off-of", { name });
      drawing = VideoOff;
    } else if (seen.current) {
      words = t("call.no-picture", { name });
    }
    return (
      <>
        <Icon of={drawing} className="stage__drawing" />
        <p className="stage__instead">{words}</p>
      </>
    );
  }
}

function Myself() {
  const { t } = useWords();
  const { local } = useSessionState();
  const picture = local.camera.on && local.stream !== null;
  return (
    <figure className="stage__self">
      <VideoTile
        self
        stream={local.stream}
        testId="self-video"
        label={t("call.self")}
        hasPicture={picture}
        instead={
          <>
            <Icon of={VideoOff} />
            <span>{t("call.camera-off-short")}</span>
          </>
        }
      />
      {picture && <figcaption className="stage__caption">{t("call.you")}</figcaption>}
    </figure>
  );
}
