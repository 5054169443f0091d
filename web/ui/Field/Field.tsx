import { type ComponentProps, type ReactNode, useId } from "react";
import { CircleAlert } from "lucide-react";
import { Icon } from "../Icon/Icon";
import "./Field.css";

interface Common {
  label: string;
  hint?: string | undefined;
  error?: string | null | undefined;
}

function Frame({ id, label, hint, error, children }: Common & { id: string; children: ReactNode }) {
  return (
    <div className="field">
      <label className="field__label" htmlFor={id}>
        {label}
      </label>
      {hint !== undefined && (
        <p className="field__hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {children}
      {error != null && (
        <p className="field__error" id={`${id}-error`} role="alert">
          <Icon of={CircleAlert} />
          {error}
        </p>
      )}
    </div>
  );
}

function described(id: string, { hint, error }: Common) {
  const by = [hint === undefined ? "" : `${id}-hint`, error == null ? "" : `${id}-error`].filter(Boolean).join(" ");
  return { "aria-describedby": by === "" ? undefined : by, "aria-invalid": error == null ? undefined : true };
}

/** One line of text. */
export function TextField({ label, hint, error, ...rest }: Common & ComponentProps<"input">) {
  const id = useId();
  const common = { label, hint, error };
  return (
    <Frame id={id} {...common}>
      <input {...rest} {...described(id, common)} id={id} className="field__input" />
    </Frame>
  );
}

/** Several lines of text. */
export function TextArea({ label, hint, error, ...rest }: Common & ComponentProps<"textarea">) {
  const id = useId();
  const common = { label, hint, error };
  return (
    <Frame id={id} {...common}>
      <textarea rows={3} {...rest} {...described(id, common)} id={id} className="field__input" />
    </Frame>
  );
}

/** One of a few, from the device's own list. */
export function Select({ label, hint, error, children, ...rest }: Common & ComponentProps<"select">) {
  const id = useId();
  const common = { label, hint, error };
  return (
    <Frame id={id} {...common}>
      <select {...rest} {...described(id, common)} id={id} className="field__input">
        {children}
      </select>
    </Frame>
  );
}

/** A box to tick, as large as a thumb. */
export function Check({ label, ...rest }: { label: string } & Omit<ComponentProps<"input">, "type">) {
  return (
    <label className="check">
      <input {...rest} type="checkbox" />
      <span>{label}</span>
    </label>
  );
}
