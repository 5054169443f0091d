import { Bell, BellOff, Keyboard, Menu, UserPlus } from "lucide-react";
import { useState } from "react";
import { useWords } from "../i18n";
import type { QueueView } from "../protocol/generated";
import { Button } from "../ui/Button/Button";
import { Dialog } from "../ui/Dialog/Dialog";
import { LanguageSwitch } from "../ui/LanguageSwitch/LanguageSwitch";
import { useMedia } from "../ui/useMedia";
import { useArrivals } from "./useArrivals";

/** What belongs to the desk, not to a visit. On a phone, behind one button. */
export function DeskTools({ queue, onInvite, onKeys }: { queue: QueueView; onInvite: () => void; onKeys: () => void }) {
  const { t } = useWords();
  const { alerts, setAlerts } = useArrivals(queue);
  const narrow = useMedia("(max-width: 62rem)");
  const [open, setOpen] = useState(false);
  const close = (then: () => void) => () => {
    setOpen(false);
    then();
  };
  const tools = (
    <>
      <Button kind="quiet" icon={alerts ? Bell : BellOff} onClick={() => setAlerts(!alerts)} data-testid="alerts">
        {t(alerts ? "alerts.on" : "alerts.off")}
      </Button>
      <Button kind="quiet" icon={UserPlus} onClick={close(onInvite)} data-testid="invite">
        {t("invite.open")}
      </Button>
      <Button kind="quiet" icon={Keyboard} onClick={close(onKeys)} data-testid="keys">
        {t("keys.open")}
      </Button>
      <LanguageSwitch />
    </>
  );
  if (!narrow) {
    return (
      <div className="tools">
        <span className="tools__who">{queue.practitioner}</span>
        {tools}
      </div>
    );
  }
  return (
    <div className="tools">
      <Button kind="quiet" icon={Menu} onClick={() => setOpen(true)} aria-haspopup="dialog" data-testid="menu">
        {t("call.more")}
      </Button>
      {open && (
        <Dialog title={queue.practitioner} onClose={() => setOpen(false)} closable>
          <div className="tools__list">{tools}</div>
        </Dialog>
      )}
    </div>
  );
}
