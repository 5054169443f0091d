import { X } from "lucide-react";
import { type ReactNode, useEffect, useId, useRef } from "react";
import { useWords } from "../../i18n";
import { Icon } from "../Icon/Icon";
import "./Dialog.css";

interface Props {
  title: string;
  onClose: () => void;
  children: ReactNode;
  /** The choices, the safe one last to read and first to reach on a phone. */
  actions?: ReactNode;
  /** Shows a cross beside the title, for dialogs that only inform. */
  closable?: boolean;
}

/** A native modal dialog: focus goes to its title, Escape closes, focus returns to what opened it. */
export function Dialog({ title, onClose, children, actions, closable }: Props) {
  const { t } = useWords();
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const id = useId();

  useEffect(() => {
    const element = dialog.current;
    if (element === null) return undefined;
    const opener = document.activeElement;
    element.showModal();
    heading.current?.focus();
    return () => {
      element.close();
      // The browser gives focus back only if the opener is what had it; a key may have opened us.
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);

  return (
    <dialog
      ref={dialog}
      className="dialog"
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <div className="dialog__head">
        <h2 id={id} ref={heading} tabIndex={-1}>
          {title}
        </h2>
        {closable === true && (
          <button type="button" className="dialog__close" onClick={onClose}>
            <Icon of={X} />
            <span>{t("common.close")}</span>
          </button>
        )}
      </div>
      <div className="dialog__body">{children}</div>
      {actions !== undefined && <div className="dialog__actions">{actions}</div>}
    </dialog>
  );
}
