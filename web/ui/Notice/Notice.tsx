import { CircleAlert, CircleCheck, Info, type LucideIcon, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { Icon } from "../Icon/Icon";
import "./Notice.css";

export type Tone = "plain" | "good" | "attention" | "danger";

const drawings: Record<Tone, LucideIcon> = {
  plain: Info,
  good: CircleCheck,
  attention: TriangleAlert,
  danger: CircleAlert,
};

interface Props {
  tone?: Tone;
  title?: string | undefined;
  children?: ReactNode;
  actions?: ReactNode;
  icon?: LucideIcon;
}

/** Something a person should read. Says it by icon, line and words, not by colour alone. */
export function Notice({ tone = "plain", title, children, actions, icon }: Props) {
  return (
    <div className={`notice notice--${tone}`}>
      <Icon of={icon ?? drawings[tone]} />
      <div className="notice__words">
        {title !== undefined && <p className="notice__title">{title}</p>}
        {children}
        {actions !== undefined && <div className="notice__actions">{actions}</div>}
      </div>
    </div>
  );
}
