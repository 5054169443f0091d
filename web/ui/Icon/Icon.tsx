import type { LucideIcon } from "lucide-react";

/** A drawing beside a word; never alone, so never announced. */
export function Icon({ of: Drawing, className }: { of: LucideIcon; className?: string }) {
  return <Drawing className={className === undefined ? "icon" : `icon ${className}`} strokeWidth={1.75} aria-hidden />;
}
