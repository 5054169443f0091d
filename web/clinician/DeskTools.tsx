import { Bell, BellOff, Keyboard, UserPlus } from "lucide-react";
import { useWords } from "../i18n";
import type { QueueView } from "../protocol/generated";
import { Button } from "../ui/Button/Button";
import { LanguageSwitch } from "../ui/LanguageSwitch/LanguageSwitch";
import { useArrivals } from "./useArrivals";

/** What belongs to the desk, not to a visit. */
export function DeskTools({ queue, onInvite, onKeys }: { queue: QueueView; onInvite: () => void; onKeys: () => void }) {
  const { t } = useWords();
  const { alerts, setAlerts } = useArrivals(queue);
  return (
    <div className="tools">
      <span className="tools__who">{queue.practitioner}</span>
      <Button kind="quiet" icon={alerts ? Bell : BellOff} onClick={() => setAlerts(!alerts)} data-testid="alerts">
        {t(alerts ? "alerts.on" : "alerts.off")}
      </Button>
      <Button kind="quiet" icon={UserPlus} onClick={onInvite} data-testid="invite">
        {t("invite.open")}
      </Button>
      <Button kind="quiet" icon={Keyboard} onClick={onKeys} data-testid="keys">
        {t("keys.open")}
      </Button>
      <LanguageSwitch />
    </div>
  );
}
