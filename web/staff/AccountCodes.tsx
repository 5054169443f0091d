import { Check as Tick, Copy } from "lucide-react";
import { useState } from "react";
import { useWords } from "../i18n";
import { Button } from "../ui/Button/Button";
import { useStaff } from "./context";
import { Trouble } from "./Trouble";
import { useArrival } from "./useHeading";
import { useTry } from "./useTry";

interface Props {
  left: number;
  /** For the paper they are kept on. */
  of: string;
  unit: string;
  onChanged: () => Promise<void>;
}

/** How many recovery codes are left, and ten others. */
export function Codes({ left, of, unit, onChanged }: Props) {
  const { t } = useWords();
  const { session } = useStaff();
  const [codes, setCodes] = useState<readonly string[] | null>(null);
  const make = useTry(async () => {
    const made = await session.ask<{ recoveryCodes: string[] }>({ method: "POST", path: "/api/v1/me/recovery-codes" });
    setCodes(made.recoveryCodes);
    await onChanged();
  });
  return (
    <section className="account__part" aria-labelledby="codes-title">
      <h2 id="codes-title">{t("join.codes")}</h2>
      <p>{t("account.codes-left", { count: left })}</p>
      <Trouble problem={make.problem} />
      {codes === null ? (
        <>
          <p className="quiet">{t("account.codes-why")}</p>
          <div>
            <Button busy={make.running} onClick={() => void make.run()} data-testid="make-codes">
              {t("account.codes-make")}
            </Button>
          </div>
        </>
      ) : (
        <Made codes={codes} text={`${t("join.codes-for", { email: of, unit })}\n\n${codes.join("\n")}\n`} onKept={() => setCodes(null)} />
      )}
    </section>
  );
}

function Made({ codes, text, onKept }: { codes: readonly string[]; text: string; onKept: () => void }) {
  const { t } = useWords();
  const heading = useArrival();
  const [copied, setCopied] = useState(false);
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      () => setCopied(false), // They can be selected and copied by hand.
    );
  };
  return (
    <>
      <h3 ref={heading} tabIndex={-1}>
        {t("join.codes-title")}
      </h3>
      <p>{t("join.codes-why")}</p>
      <ol className="codes figures" aria-label={t("join.codes")} data-testid="codes">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ol>
      <p role="status" className="visually-hidden">
        {copied && t("staff.copied")}
      </p>
      <div className="codes__ways">
        <Button icon={copied ? Tick : Copy} onClick={copy} data-testid="copy-codes">
          {t(copied ? "staff.copied" : "staff.copy")}
        </Button>
        <Button kind="primary" onClick={onKept} data-testid="kept">
          {t("join.kept")}
        </Button>
      </div>
    </>
  );
}
