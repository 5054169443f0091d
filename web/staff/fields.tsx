/** Fields for secrets that people type: passwords and codes. */
import { Check as Tick, Copy, Eye, EyeOff } from "lucide-react";
import { type ComponentProps, useRef, useState } from "react";
import { useWords } from "../i18n";
import { CODE_DIGITS, RECOVERY_CHARS } from "../identity";
import { Button } from "../ui/Button/Button";
import { TextField } from "../ui/Field/Field";

type Rest = Omit<ComponentProps<typeof TextField>, "type" | "onChange" | "value">;

interface Typed {
  value: string;
  onType: (value: string) => void;
}

/** A password that may be pasted, and looked at. */
export function PasswordField({ value, onType, ...rest }: Rest & Typed) {
  const { t } = useWords();
  const [shown, setShown] = useState(false);
  return (
    <div className="password">
      <TextField
        {...rest}
        type={shown ? "text" : "password"}
        value={value}
        maxLength={256}
        autoCapitalize="none"
        autoCorrect="off"
        spellCheck={false}
        onChange={(event) => onType(event.target.value)}
      />
      <Button kind="quiet" icon={shown ? EyeOff : Eye} onClick={() => setShown(!shown)} data-testid="show-password">
        {t(shown ? "staff.hide-password" : "staff.show-password")}
      </Button>
    </div>
  );
}

/** The six digits of an app. Spaces that were pasted with them go. */
export function CodeField({ value, onType, ...rest }: Rest & Typed) {
  return (
    <div className="code">
      <TextField
        {...rest}
        value={value}
        inputMode="numeric"
        autoComplete="one-time-code"
        pattern="[0-9]*"
        onChange={(event) => onType(event.target.value.replaceAll(/\D/g, "").slice(0, CODE_DIGITS))}
        data-testid="code"
      />
    </div>
  );
}

/** What counts of a recovery code, however it is typed. */
export const plainRecovery = (typed: string) => typed.toUpperCase().replaceAll(/[^0-9A-Z]/g, "");
export const wholeRecovery = (typed: string) => plainRecovery(typed).length === RECOVERY_CHARS;

/** Something to take along: selected by a touch, copied by the button. */
export function CopyField({ label, hint, value, testId, primary }: { label: string; hint?: string; value: string; testId: string; primary?: boolean }) {
  const { t } = useWords();
  const field = useRef<HTMLInputElement>(null);
  const [copied, setCopied] = useState(false);
  const copy = () => {
    field.current?.select();
    navigator.clipboard.writeText(value).then(
      () => setCopied(true),
      () => setCopied(false), // The text is selected: the keyboard's own copy works.
    );
  };
  return (
    <div className="copy">
      <TextField
        ref={field}
        label={label}
        hint={hint}
        value={value}
        readOnly
        onFocus={(event) => event.target.select()}
        data-testid={testId}
      />
      <Button kind={primary === true ? "primary" : "plain"} icon={copied ? Tick : Copy} onClick={copy} data-testid={`copy-${testId}`}>
        {t(copied ? "staff.copied" : "staff.copy")}
      </Button>
      <p role="status" className="visually-hidden">
        {copied && t("staff.copied")}
      </p>
    </div>
  );
}
