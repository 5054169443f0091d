import { ArrowRight, BellOff, Video } from "lucide-react";
import { useEffect, useState } from "react";
import { useWords } from "../i18n";
import { waited } from "../i18n/time";
import type { QueueView } from "../protocol/generated";
import { Button } from "../ui/Button/Button";
import { DeviceFaults } from "../ui/DeviceFaults/DeviceFaults";
import { DeviceSelects, MicrophoneTest } from "../ui/DeviceTest/DeviceTest";
import { Icon } from "../ui/Icon/Icon";
import { useServerNow, useSession, useSessionState } from "../ui/session";
import { VideoTile } from "../ui/VideoTile/VideoTile";
import { longestWait, waitingOf } from "./waiting";

/** Between visits: how many wait, who is next, and one's own devices. */
export function Home({ queue, onChoose }: { queue: QueueView; onChoose: (visit: string) => void }) {
  const { t } = useWords();
  const now = useServerNow(10_000);
  const waiting = waitingOf(queue);
  const next = waiting[0];
  return (
    <div className="home" data-testid="home">
      {next === undefined ? (
        <div className="home__now">
          <h1>{t("queue.empty-title")}</h1>
          <p className="quiet">{t("queue.empty")}</p>
        </div>
      ) : (
        <div className="home__now">
          <h1 className="home__count">
            <span className="home__number figures">{waiting.length}</span>{" "}
            <span>{t("home.waiting", { count: waiting.length })}</span>
          </h1>
          <p className="figures">{t("home.longest", { time: waited(longestWait(queue, now)) })}</p>
          <Button kind="primary" icon={ArrowRight} onClick={() => onChoose(next.visit)} data-testid="open-next">
            {t("home.next", { name: next.name === "" ? t("common.unnamed") : next.name })}
          </Button>
        </div>
      )}
      <HeldSound />
      <OwnDevices />
    </div>
  );
}

/** A page that nobody has touched yet may not ring: say so, before somebody waits unheard. */
function HeldSound() {
  const { t } = useWords();
  const [held, setHeld] = useState(() => !navigator.userActivation?.hasBeenActive);
  useEffect(() => {
    if (!held) return undefined;
    const touched = () => setHeld(false);
    // Not at pointerdown: what stands below would move away from under the finger, and the click would miss.
    addEventListener("click", touched);
    addEventListener("keyup", touched);
    return () => {
      removeEventListener("click", touched);
      removeEventListener("keyup", touched);
    };
  }, [held]);
  return held ? (
    <p className="home__held">
      <Icon of={BellOff} />
      {t("alerts.held")}
    </p>
  ) : null;
}

function OwnDevices() {
  const { t } = useWords();
  const session = useSession();
  const { local } = useSessionState();
  const open = local.status === "open";
  return (
    <section className="home__devices" aria-labelledby="own-devices">
      <h2 id="own-devices">{t("home.devices")}</h2>
      <DeviceFaults modality="video" />
      {open ? (
        <>
          <div className="home__preview">
            <VideoTile
              self
              stream={local.stream}
              testId="self-video"
              label={t("devices.preview")}
              hasPicture={local.camera.on && local.stream !== null}
              instead={<span>{t("call.camera-off-short")}</span>}
            />
          </div>
          <MicrophoneTest />
          <DeviceSelects />
          <p className="quiet">{t("home.devices-ready")}</p>
        </>
      ) : (
        <>
          <p className="quiet">{t("home.devices-why")}</p>
          <div>
            <Button
              icon={Video}
              busy={local.status === "asking"}
              onClick={() => void session.devices.open("video").catch(() => undefined)}
              data-testid="open-devices"
            >
              {t("devices.turn-on")}
            </Button>
          </div>
        </>
      )}
    </section>
  );
}
