import type { LucideIcon } from "lucide-react";
import type { ComponentProps, ReactNode } from "react";
import { useWords } from "../../i18n";
import { Icon } from "../Icon/Icon";
import "./CallBar.css";

/** The buttons of the call, with words. */
export function CallBar({ children }: { children: ReactNode }) {
  const { t } = useWords();
  return (
    <section className="call-bar" aria-label={t("call.controls")}>
      {children}
    </section>
  );
}

interface Props extends Omit<ComponentProps<"button">, "children"> {
  icon: LucideIcon;
  word: string;
  /** What it is now, in a word: "on", "off", "2 new". Part of the button's name. */
  state?: string | undefined;
  look?: "plain" | "off" | "active" | "end";
  testId: string;
}

/** One round button; its word and its state are text, so they are its name too. */
export function CallButton({ icon, word, state, look = "plain", testId, ...rest }: Props) {
  return (
    <button {...rest} type="button" className={`call-button call-button--${look}`} data-testid={testId}>
      <span className="call-button__round">
        <Icon of={icon} />
      </span>
      <span className="call-button__word">{word}</span>{" "}
      <span className="call-button__state">{state ?? "\u00a0"}</span>
    </button>
  );
}
