import { Check as Tick, Copy, Download, Printer } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import { useWords } from "../i18n";
import type { Expected } from "../identity";
import { Button } from "../ui/Button/Button";
import { Check } from "../ui/Field/Field";
import { Icon } from "../ui/Icon/Icon";
import { CircleAlert } from "lucide-react";
import { useArrival } from "./useHeading";

interface Props {
  expected: Expected;
  codes: readonly string[];
  onDone: () => void;
}

/** The recovery codes, this once: copied, saved or printed before anybody goes on. */
export function JoinCodes({ expected, codes, onDone }: Props) {
  const { t } = useWords();
  const [kept, setKept] = useState(false);
  const [missing, setMissing] = useState(false);
  const [copied, setCopied] = useState(false);
  const heading = useArrival();
  const text = `${t("join.codes-for", { email: expected.person.email, unit: expected.unit })}\n\n${codes.join("\n")}\n`;

  useEffect(() => {
    if (kept) return undefined;
    // They are gone with the page: the browser asks once.
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [kept]);

  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      () => setCopied(false), // They can be selected and copied by hand.
    );
  };
  const save = () => {
    const address = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = t("join.codes-file");
    link.click();
    URL.revokeObjectURL(address);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setMissing(!kept);
    if (kept) onDone();
  };

  return (
    <form className="sheet__form" onSubmit={submit} noValidate>
      <div className="sheet__head">
        <p className="quiet small">{t("join.step", { step: 3 })}</p>
        <h1 ref={heading} tabIndex={-1}>
          {t("join.codes-title")}
        </h1>
        <p>{t("join.codes-why")}</p>
        <p className="quiet">{t("join.codes-where")}</p>
      </div>
      <p className="print-only">{t("join.codes-for", { email: expected.person.email, unit: expected.unit })}</p>
      <ol className="codes figures" aria-label={t("join.codes")} data-testid="codes">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ol>
      <div className="codes__ways">
        <Button icon={copied ? Tick : Copy} onClick={copy} data-testid="copy-codes">
          {t(copied ? "staff.copied" : "staff.copy")}
        </Button>
        <Button icon={Download} onClick={save} data-testid="save-codes">
          {t("join.download")}
        </Button>
        <Button icon={Printer} onClick={() => print()}>
          {t("join.print")}
        </Button>
      </div>
      <p role="status" className="visually-hidden">
        {copied && t("staff.copied")}
      </p>
      <div className="codes__kept">
        <Check
          label={t("join.kept")}
          checked={kept}
          aria-describedby={missing && !kept ? "kept-missing" : undefined}
          aria-invalid={missing && !kept ? true : undefined}
          onChange={(event) => setKept(event.target.checked)}
          data-testid="kept"
        />
        <p className="field__error" id="kept-missing" role="alert">
          {missing && !kept && (
            <>
              <Icon of={CircleAlert} />
              {t("join.kept-missing")}
            </>
          )}
        </p>
      </div>
      <Button kind="primary" type="submit" wide data-testid="on">
        {t("join.on")}
      </Button>
    </form>
  );
}
