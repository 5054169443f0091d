import { Keyboard, MonitorUp } from "lucide-react";
import { useWords } from "../i18n";
import type { VisitView } from "../protocol/generated";
import { Button } from "../ui/Button/Button";
import { DeviceFaults } from "../ui/DeviceFaults/DeviceFaults";
import { DeviceSelects, MicrophoneTest, SpeakerTest } from "../ui/DeviceTest/DeviceTest";
import { Dialog } from "../ui/Dialog/Dialog";
import { LanguageSwitch } from "../ui/LanguageSwitch/LanguageSwitch";
import { useSession, useSessionState } from "../ui/session";
import { useModality } from "./modality";

/** Everything that is not needed every time: devices, help with sound, sharing. */
export function More({ visit, onClose, onKeys }: { visit: VisitView; onClose: () => void; onKeys: () => void }) {
  const { t } = useWords();
  const session = useSession();
  const { local } = useSessionState();
  const [modality] = useModality();
  const share = () => {
    void session.shareScreen().catch(() => undefined);
    onClose();
  };
  return (
    <Dialog title={t("call.more")} onClose={onClose} closable>
      {local.screen.supported && local.screen.status === "off" && (
        <Button icon={MonitorUp} wide onClick={share} data-testid="share">
          {t("share.ask")}
        </Button>
      )}
      <DeviceFaults modality={modality} />
      <h3>{t("help.sound-title")}</h3>
      <details>
        <summary>{t("help.cannot-hear")}</summary>
        <ol className="steps">
          <li>{t("help.cannot-hear-1")}</li>
          <li>{t("help.cannot-hear-2")}</li>
          <li>{t("help.cannot-hear-3")}</li>
        </ol>
        <SpeakerTest />
      </details>
      <details>
        <summary>{t("help.cannot-be-heard")}</summary>
        <ol className="steps">
          <li>{t("help.cannot-be-heard-1")}</li>
          <li>{t("help.cannot-be-heard-2")}</li>
          <li>{t("help.cannot-be-heard-3", { phone: visit.clinic.phone })}</li>
        </ol>
        <MicrophoneTest />
      </details>
      <h3>{t("devices.title")}</h3>
      <DeviceSelects camera={local.camera.choices.length > 0} />
      <div className="more__foot">
        <Button kind="quiet" icon={Keyboard} onClick={onKeys}>
          {t("keys.open")}
        </Button>
        <LanguageSwitch />
      </div>
    </Dialog>
  );
}
