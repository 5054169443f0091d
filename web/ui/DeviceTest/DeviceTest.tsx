import { CircleCheck, Volume2 } from "lucide-react";
import { useEffect, useState } from "react";
import { type Key, useWords } from "../../i18n";
import { Button } from "../Button/Button";
import { Select } from "../Field/Field";
import { Icon } from "../Icon/Icon";
import { Meter } from "../Meter/Meter";
import { useSession, useSessionState } from "../session";
import "./DeviceTest.css";

/** Louder than this is a voice. */
const VOICE = 0.08;
/** Silence after which we ask, milliseconds. */
const SILENCE = 5_000;

/** The meter with words: "say hello", "we hear you", and what to do when nothing comes. */
export function MicrophoneTest() {
  const { t } = useWords();
  const { microphone } = useSessionState().local;
  const [heard, setHeard] = useState(false);
  const [silent, setSilent] = useState(false);
  const loud = microphone.level > VOICE;

  useEffect(() => {
    if (loud) {
      setHeard(true);
      setSilent(false);
    }
  }, [loud]);
  useEffect(() => {
    if (heard || !microphone.on) return undefined;
    const timer = setTimeout(() => setSilent(true), SILENCE);
    return () => clearTimeout(timer);
  }, [heard, microphone.on]);

  let words: Key & `devices.${string}` = "devices.say-hello";
  if (!microphone.on) words = "devices.muted";
  else if (heard) words = "devices.we-hear-you";
  return (
    <div className="device-test">
      <div className="device-test__level">
        <Meter level={microphone.on ? microphone.level : 0} label={t("devices.level")} />
        <p role="status" className="device-test__word">
          {heard && microphone.on && <Icon of={CircleCheck} className="device-test__good" />}
          {t(words as "devices.say-hello")}
        </p>
      </div>
      {silent && !heard && microphone.on && <p className="device-test__hint">{t("devices.quiet")}</p>}
    </div>
  );
}

/** Plays a sound and asks whether it was heard. */
export function SpeakerTest() {
  const { t } = useWords();
  const session = useSession();
  const [stage, setStage] = useState<"idle" | "playing" | "asked" | "heard" | "not-heard">("idle");

  const play = () => {
    setStage("playing");
    session.devices.playTestSound().then(
      () => setStage("asked"),
      () => setStage("asked"),
    );
  };
  const answer = (heard: boolean) => {
    session.devices.reportSpeaker(heard);
    setStage(heard ? "heard" : "not-heard");
  };

  return (
    <div className="device-test" data-testid="speaker-test">
      <Button icon={Volume2} onClick={play} busy={stage === "playing"} data-testid="play-sound">
        {stage === "playing" ? t("devices.playing") : t("devices.test-sound")}
      </Button>
      {stage === "asked" && (
        <div className="device-test__ask" role="group" aria-label={t("devices.heard")}>
          <p role="status">{t("devices.heard")}</p>
          <Button onClick={() => answer(true)}>{t("common.yes")}</Button>
          <Button onClick={() => answer(false)}>{t("common.no")}</Button>
        </div>
      )}
      {stage === "heard" && (
        <p role="status" className="device-test__word">
          <Icon of={CircleCheck} className="device-test__good" />
          {t("devices.heard-yes")}
        </p>
      )}
      {stage === "not-heard" && (
        <p role="status" className="device-test__hint">
          {t("devices.heard-no")}
        </p>
      )}
    </div>
  );
}

/** Which microphone and which camera. */
export function DeviceSelects({ camera = true }: { camera?: boolean }) {
  const { t } = useWords();
  const session = useSession();
  const { local } = useSessionState();
  return (
    <div className="device-test">
      <Select
        label={t("devices.microphone")}
        value={local.microphone.chosen ?? ""}
        onChange={(event) => void session.devices.chooseMicrophone(event.target.value).catch(() => undefined)}
      >
        {local.microphone.choices.map((choice, at) => (
          <option key={choice.id} value={choice.id}>
            {choice.label === "" ? t("devices.unnamed-microphone", { number: at + 1 }) : choice.label}
          </option>
        ))}
      </Select>
      {camera && (
        <Select
          label={t("devices.camera")}
          value={local.camera.chosen ?? ""}
          onChange={(event) => void session.devices.chooseCamera(event.target.value).catch(() => undefined)}
        >
          {local.camera.choices.map((choice, at) => (
            <option key={choice.id} value={choice.id}>
              {choice.label === "" ? t("devices.unnamed-camera", { number: at + 1 }) : choice.label}
            </option>
          ))}
        </Select>
      )}
    </div>
  );
}
