import type { LucideIcon } from "lucide-react";
import type { ComponentProps } from "react";
import { Icon } from "../Icon/Icon";
import "./Button.css";

type Kind = "primary" | "plain" | "quiet" | "danger";

interface Props extends ComponentProps<"button"> {
  /** One primary a screen. */
  kind?: Kind;
  icon?: LucideIcon;
  /** As wide as its column. */
  wide?: boolean;
  /** Working: stays focusable and says so, ignores further clicks. */
  busy?: boolean;
}

/** A real button. Never disabled while it works, so that focus stays where it was. */
export function Button({ kind = "plain", icon, wide, busy, className, onClick, children, type, ...rest }: Props) {
  const classes = ["button", `button--${kind}`, wide === true ? "button--wide" : "", className ?? ""];
  return (
    <button
      {...rest}
      type={type ?? "button"}
      className={classes.filter(Boolean).join(" ")}
      aria-disabled={busy === true ? true : rest["aria-disabled"]}
      onClick={busy === true ? (event) => event.preventDefault() : onClick}
    >
      {icon !== undefined && <Icon of={icon} />}
      <span>{children}</span>
    </button>
  );
}
