import { X } from "lucide-react";
import { type ReactNode, useEffect, useRef } from "react";
import { useWords } from "../../i18n";
import { Button } from "../Button/Button";

interface Props {
  title: string;
  onClose: () => void;
  children: ReactNode;
}

/** Beside the pictures; on a phone, over them. Not modal: the call goes on. Escape closes. */
export function Panel({ title, onClose, children }: Props) {
  const { t } = useWords();
  const heading = useRef<HTMLHeadingElement>(null);
  const first = useRef(document.activeElement);
  useEffect(() => {
    // Opened by a person: focus follows. Opened with the page: it stays where it was.
    if (first.current !== document.body) heading.current?.focus();
  }, []);
  return (
    <aside
      className="room__panel"
      aria-label={title}
      onKeyDown={(event) => {
        if (event.key === "Escape") onClose();
      }}
    >
      <div className="room__panel-head">
        <h2 ref={heading} tabIndex={-1}>
          {title}
        </h2>
        <Button kind="quiet" icon={X} onClick={onClose}>
          {t("common.close")}
        </Button>
      </div>
      {children}
    </aside>
  );
}
