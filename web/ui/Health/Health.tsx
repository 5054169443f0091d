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

type Part = keyof DeviceHealth;
const parts: readonly Part[] = ["microphone", "camera", "network"];

/** What somebody's device test found: a sign and a word for each part. */
export function Health({ devices, all }: { devices: DeviceHealth; all?: boolean }) {
  const { t } = useWords();
  const shown: readonly Part[] = all === true ? ["microphone", "camera", "speaker", "network"] : parts;
  return (
    <ul className="health">
      {shown.map((part) => (
        <li key={part} className={`health__part health__part--${devices[part]}`}>
          <Icon of={drawings[devices[part]]} />
          <span>
            {t(`health.${part}`)} {t(`health.${devices[part]}`)}
          </span>
        </li>
      ))}
    </ul>
  );
}
