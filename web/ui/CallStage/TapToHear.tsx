import { Volume2 } from "lucide-react";
import { useWords } from "../../i18n";
import { Icon } from "../Icon/Icon";
import { useSession, useSessionState } from "../session";
import "./CallStage.css";

/** The browser holds the sound back until somebody taps: the largest button there is. */
export function TapToHear() {
  const { t } = useWords();
  const session = useSession();
  const { media } = useSessionState();
  if (!media.soundBlocked) return null;
  return (
    <button type="button" className="tap-to-hear" onClick={() => session.unblockSound()} data-testid="tap-to-hear">
      <span className="tap-to-hear__round">
        <Icon of={Volume2} />
      </span>
      <span className="tap-to-hear__words">{t("media.tap-to-hear")}</span>
      <span>{t("media.tap-to-hear-why")}</span>
    </button>
  );
}
