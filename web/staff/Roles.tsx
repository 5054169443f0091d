import { useId } from "react";
import { CircleAlert } from "lucide-react";
import { useWords } from "../i18n";
import { type StaffRole, staffRoles } from "../identity";
import { Icon } from "../ui/Icon/Icon";

/** Roles in words, in their usual order. */
export function RoleNames({ roles }: { roles: readonly StaffRole[] }) {
  const { t } = useWords();
  return staffRoles
    .filter((role) => roles.includes(role))
    .map((role) => t(`role.${role}`))
    .join(", ");
}

interface Props {
  chosen: readonly StaffRole[];
  onChoose: (roles: StaffRole[]) => void;
  error?: string | null;
  readOnly?: boolean;
}

/** The roles as boxes to tick, each with what it may do. */
export function RoleChecks({ chosen, onChoose, error, readOnly }: Props) {
  const { t } = useWords();
  const id = useId();
  const toggle = (role: StaffRole) =>
    onChoose(chosen.includes(role) ? chosen.filter((one) => one !== role) : [...chosen, role]);
  return (
    <fieldset className="choice" aria-describedby={error == null ? undefined : id} disabled={readOnly}>
      <legend>{t("role.legend")}</legend>
      <div className="choice__rows roles">
        {staffRoles.map((role) => (
          <label key={role} className="choice__row">
            <input
              type="checkbox"
              checked={chosen.includes(role)}
              onChange={() => toggle(role)}
              data-testid={`role-${role}`}
            />
            <span className="choice__words">
              <span className="choice__label">{t(`role.${role}`)}</span>
              <span className="choice__why">{t(`role.${role}-why`)}</span>
            </span>
          </label>
        ))}
      </div>
      {error != null && (
        <p className="field__error" id={id} role="alert">
          <Icon of={CircleAlert} />
          {error}
        </p>
      )}
    </fieldset>
  );
}
