import type { DeviceFault, LocalMedia, Modality } from "../../call/session";
import { useWords } from "../../i18n";
import { Button } from "../Button/Button";
import { Problem } from "../Notice/Problem";
import { useSession, useSessionState } from "../session";

/** Which entries of the error catalogue fit the faults, the most useful first, at most two. */
export function faultCodes(local: LocalMedia, modality: Modality): string[] {
  const microphone = local.microphone.fault;
  const camera = modality === "video" ? local.camera.fault : null;
  const whole = (fault: DeviceFault | null) => fault === "in-app-browser" || fault === "insecure";
  if (microphone !== null && whole(microphone)) return [microphone];
  if (camera !== null && whole(camera)) return [camera];
  if (microphone !== null && microphone === camera && (camera === "blocked" || camera === "missing")) {
    return [`devices-${camera}`];
  }
  return [
    ...(microphone === null ? [] : [`microphone-${microphone}`]),
    ...(camera === null ? [] : [`camera-${camera}`]),
  ];
}

interface Props {
  modality: Modality;
  /** Offered where a picture is not needed to go on. */
  onSoundOnly?: () => void;
}

/** What is wrong with camera or microphone, and the ways forward. */
export function DeviceFaults({ modality, onSoundOnly }: Props) {
  const { t } = useWords();
  const session = useSession();
  const { local } = useSessionState();
  const codes = faultCodes(local, modality);
  return codes.map((code, at) => (
    <div key={code} data-testid="problem" data-code={code} role="alert">
      <Problem
        code={code}
        actions={
          at === codes.length - 1 && (
            <>
              <Button
                onClick={() => void session.devices.open(modality).catch(() => undefined)}
                busy={local.status === "asking"}
                data-testid="try-again"
              >
                {t("common.try-again")}
              </Button>
              {onSoundOnly !== undefined && modality === "video" && local.camera.fault !== null && (
                <Button onClick={onSoundOnly} data-testid="sound-only">
                  {t("devices.with-sound")}
                </Button>
              )}
            </>
          )
        }
      />
    </div>
  ));
}
