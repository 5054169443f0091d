import { CircleCheck, RefreshCw, TriangleAlert } from "lucide-react";
import { useEffect, useRef } from "react";
import { useWords } from "../../i18n";
import { Icon } from "../Icon/Icon";
import { useAnnounce } from "../Live/Live";
import { useSessionState } from "../session";

/** How the path to the media server does, in words; a loss is said aloud. */
export function PathWords() {
  const { t } = useWords();
  const { status, transport } = useSessionState().media;
  const announce = useAnnounce();
  const was = useRef(status);

  useEffect(() => {
    if (was.current !== status && (status === "stalled" || status === "failed")) announce(t(`media.${status}`), "assertive");
    if (was.current === "stalled" && status === "connected") announce(t("media.connected"));
    was.current = status;
  }, [announce, status, t]);

  const slow = status === "connected" && transport !== "udp" && transport !== null;
  const words = status === "idle" ? t("media.connecting") : slow ? t("media.connected-slow") : t(`media.${status}`);
  const look = status === "connected" ? "good" : status === "failed" ? "bad" : "busy";
  const drawing = { good: CircleCheck, bad: TriangleAlert, busy: RefreshCw }[look];
  return (
    <p className={`path path--${look}`} data-testid="path" data-status={status}>
      <Icon of={drawing} />
      <span>{words}</span>
    </p>
  );
}
