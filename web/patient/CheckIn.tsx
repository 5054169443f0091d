import { Mic, Video, VideoOff } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import type { Modality } from "../call/session";
import { useWords } from "../i18n";
import { dayAndTime } from "../i18n/time";
import type { VisitView } from "../protocol/generated";
import { Button } from "../ui/Button/Button";
import { Choice } from "../ui/Choice/Choice";
import { ClinicHeader } from "../ui/ClinicHeader/ClinicHeader";
import { DeviceFaults, faultCodes } from "../ui/DeviceFaults/DeviceFaults";
import { DeviceSelects, MicrophoneTest, SpeakerTest } from "../ui/DeviceTest/DeviceTest";
import { Icon } from "../ui/Icon/Icon";
import { LanguageSwitch } from "../ui/LanguageSwitch/LanguageSwitch";
import { AccessButton } from "./Access";
import { useServerNow, useSession, useSessionState, useVerb } from "../ui/session";
import { VideoTile } from "../ui/VideoTile/VideoTile";
import { useModality } from "./modality";

/** Says hello, explains before the browser asks, tests, and checks in. */
export function CheckIn({ visit }: { visit: VisitView }) {
  const { t, language } = useWords();
  const session = useSession();
  const { local, greeting } = useSessionState();
  const now = useServerNow(60_000);
  const [modality, setModality] = useModality();
  const [checkIn, checkingIn] = useVerb(session.checkIn.bind(session));
  const [begun, setBegun] = useState(false);
  const faulty = faultCodes(local, modality).length > 0;
  // Once tested, the page stays as it is while another device is opened: nothing jumps.
  const tested = begun || local.status === "open" || faulty;
  const heading = useRef<HTMLHeadingElement>(null);
  const [asked, setAsked] = useState(false);

  useEffect(() => {
    if (tested) setBegun(true);
    if (asked && tested) heading.current?.focus();
  }, [asked, tested]);

  const open = (how: Modality) => {
    setAsked(true);
    void session.devices.open(how).catch(() => undefined); // The fault is in the state, with words.
  };
  const choose = (how: Modality) => {
    setModality(how);
    if (tested) open(how);
  };
  const name = greeting?.name ?? "";
  const choice = (
    <Choice
      legend={t("check-in.how")}
      chosen={modality}
      onChoose={choose}
      tiles
      testIds
      options={[
        { value: "video", label: t("check-in.video"), icon: Video },
        { value: "sound", label: t("check-in.sound"), icon: Mic },
      ]}
    />
  );

  return (
    <>
      <ClinicHeader clinic={visit.clinic}>
        <LanguageSwitch />
      </ClinicHeader>
      <main className="page check-in" data-testid="check-in">
        <div className="check-in__greeting">
          {name !== "" && <p className="quiet">{t("patient.hello", { name })}</p>}
          <h1>{t("patient.visit-with", { practitioner: visit.practitioner })}</h1>
          {visit.scheduledAt !== null && (
            <p className="check-in__time figures">
              {t("time.yours", { when: dayAndTime(visit.scheduledAt, now, language) })}
            </p>
          )}
        </div>

        {!tested && choice}
        <section className="check-in__devices" aria-labelledby="devices">
          {tested ? (
            <>
              <h2 id="devices" ref={heading} tabIndex={-1}>
                {t(modality === "video" ? "check-in.test-title" : "check-in.test-title-sound")}
              </h2>
              <DeviceFaults
                modality={modality}
                onSoundOnly={() => {
                  setModality("sound");
                  open("sound");
                }}
              />
              <Tested modality={modality} />
            </>
          ) : (
            <Before modality={modality} practitioner={visit.practitioner} onOpen={() => open(modality)} />
          )}
        </section>

        {tested && choice}
        {tested && (
          <div className={faulty ? "check-in__ready" : "check-in__ready check-in__ready--near"}>
            <Button
              kind="primary"
              wide
              busy={checkingIn}
              onClick={() => void checkIn(modality)}
              data-testid="ready"
            >
              {checkingIn ? t("check-in.checking-in") : t("check-in.ready")}
            </Button>
          </div>
        )}
        {!tested && <AccessButton />}
      </main>
    </>
  );
}

/** What the browser will ask, and why, before it asks. */
function Before({ modality, practitioner, onOpen }: { modality: Modality; practitioner: string; onOpen: () => void }) {
  const { t } = useWords();
  const { local } = useSessionState();
  return (
    <>
      <h2 id="devices">{t("check-in.before-title")}</h2>
      <p>{t(modality === "video" ? "check-in.before-video" : "check-in.before-sound")}</p>
      <p>{t("check-in.before-private", { practitioner })}</p>
      <Button
        kind="primary"
        wide
        icon={modality === "video" ? Video : Mic}
        busy={local.status === "asking"}
        onClick={onOpen}
        data-testid="open-devices"
      >
        {t(modality === "video" ? "devices.turn-on" : "devices.turn-on-sound")}
      </Button>
      <p role="status" className="check-in__asking">
        {local.status === "asking" && t("devices.asking")}
      </p>
    </>
  );
}

/** Picture, level, speaker, and other devices to choose from. */
function Tested({ modality }: { modality: Modality }) {
  const { t } = useWords();
  const { local } = useSessionState();
  const camera = modality === "video" && local.camera.fault === null;
  const microphone = local.microphone.fault === null;
  return (
    <>
      {camera && (
        <div className="check-in__preview">
          <VideoTile
            self
            stream={local.stream}
            testId="self-video"
            label={t("devices.preview")}
            hasPicture={local.camera.on && local.stream !== null}
            instead={<Icon of={VideoOff} />}
          />
        </div>
      )}
      {modality === "sound" && <p className="quiet">{t("check-in.sound-only-chosen")}</p>}
      {microphone && <MicrophoneTest />}
      <SpeakerTest />
      {(microphone || camera) && (
        <details className="check-in__change">
          <summary>{t(camera ? "check-in.change" : "check-in.change-sound")}</summary>
          <DeviceSelects camera={camera} />
        </details>
      )}
    </>
  );
}
