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

interface CopyProps {
  label: string;
  value: string;
  testId: string;
  primary?: boolean;
}

/** Something to take along: selected by a touch, copied by the button. */
export function CopyField({ label, value, testId, primary }: CopyProps) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <div className="copy">
      <TextField
        ref={field}
        label={label}
        value={value}
        readOnly
        onFocus={(event) => event.target.select()}
        data-testid={testId}
      />
      <CopyButton value={value} testId={testId} primary={primary === true} before={() => field.current?.select()} />
    </div>
  );
}

/** The same for what is also read and typed elsewhere: all of it is seen, in fours. */
export function CopyText({ label, value, testId }: CopyProps) {
  return (
    <div className="copy">
      <p className="field__label">{label}</p>
      <p className="copy__text" data-testid={testId}>
        {value.match(/.{1,4}/g)?.join(" ")}
      </p>
      <CopyButton value={value} testId={testId} primary={false} />
    </div>
  );
}

function CopyButton({ value, testId, primary, before }: { value: string; testId: string; primary: boolean; before?: () => void }) {
  const { t } = useWords();
  const [copied, setCopied] = useState(false);
  const copy = () => {
    before?.();
    navigator.clipboard.writeText(value).then(
      () => setCopied(true),
      () => setCopied(false), // What is selected the keyboard's own copy takes.
    );
  };
  return (
    <>
      <Button kind={primary ? "primary" : "plain"} icon={copied ? Tick : Copy} onClick={copy} data-testid={`copy-${testId}`}>
        {t(copied ? "staff.copied" : "staff.copy")}
      </Button>
      <p role="status" className="visually-hidden">
        {copied && t("staff.copied")}
      </p>
    </>
  );
}
