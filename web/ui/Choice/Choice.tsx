import type { LucideIcon } from "lucide-react";
import { useId } from "react";
import { Icon } from "../Icon/Icon";
import "./Choice.css";

export interface Option<Value extends string> {
  value: Value;
  label: string;
  why?: string;
  icon?: LucideIcon;
}

interface Props<Value extends string> {
  legend: string;
  options: readonly Option<Value>[];
  chosen: Value | null;
  onChoose: (value: Value) => void;
  /** Side by side, for two or three short words. */
  tiles?: boolean;
  /** For tests: `choose-<value>`. */
  testIds?: boolean;
}

/** One of a few, each with its reason: radio buttons drawn as rows. */
export function Choice<Value extends string>({ legend, options, chosen, onChoose, tiles, testIds }: Props<Value>) {
  const name = useId();
  return (
    <fieldset className="choice">
      <legend>{legend}</legend>
      <div className={tiles === true ? "choice__rows choice__rows--tiles" : "choice__rows"}>
        {options.map((option) => (
          <label key={option.value} className="choice__row">
            <input
              type="radio"
              name={name}
              value={option.value}
              checked={option.value === chosen}
              onChange={() => onChoose(option.value)}
              data-testid={testIds === true ? `choose-${option.value}` : undefined}
            />
            <span className="choice__words">
              <span className="choice__label">
                {option.icon !== undefined && <Icon of={option.icon} />}
                {option.label}
              </span>
              {option.why !== undefined && <span className="choice__why">{option.why}</span>}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
