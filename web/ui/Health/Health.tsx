import { Ban, CircleCheck, CircleDashed, CircleSlash2, type LucideIcon, TriangleAlert } from "lucide-react";
import { useWords } from "../../i18n";
import type { DeviceHealth, Health as Level } from "../../protocol/generated";
import { Icon } from "../Icon/Icon";
import "./Health.css";

const drawings: Record<Level, LucideIcon> = {
  unknown: CircleDashed,
  good: CircleCheck,
  weak: TriangleAlert,
  blocked: Ban,
  busy: TriangleAlert,
  missing: CircleSlash2,
  off: CircleSlash2,
};

const parts = ["microphone", "camera", "speaker", "network"] as const;
/** In a list, what one can see from here and act upon. */
const brief = ["microphone", "camera", "network"] as const;

/** What needs a look, worst first; what one does not wait for, last. */
const order: readonly Level[] = ["blocked", "missing", "busy", "weak", "off", "good", "unknown"];

/** What somebody's device test found: a sign and words, like findings together, trouble first. */
export function Health({ devices, all }: { devices: DeviceHealth; all?: boolean }) {
  const { t, language } = useWords();
  return (
    <ul className="health">
      {order.map((level) => {
        const alike = (all === true ? parts : brief).filter((part) => devices[part] === level);
        if (alike.length === 0) return null;
        const names = alike.map((part) => t(`health.${part}`));
        // "Sound, picture, network": the first begins the line, the others do not.
        const list = names.map((name, at) => (at === 0 ? name : name.toLocaleLowerCase(language))).join(", ");
        return (
          <li key={level} className={`health__part health__part--${level}`}>
            <Icon of={drawings[level]} />
            <span>
              {list} {t(`health.${level}`)}
            </span>
          </li>
        );
      })}
    </ul>
  );
}
