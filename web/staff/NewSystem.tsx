import { ArrowLeft, CircleAlert } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { useWords } from "../i18n";
import { type PartnerKey, type PartnerKeyMade, type Scope, scopes } from "../identity";
import { Button } from "../ui/Button/Button";
import { Select, TextArea, TextField } from "../ui/Field/Field";
import { Icon } from "../ui/Icon/Icon";
import { Notice } from "../ui/Notice/Notice";
import { useStaff } from "./context";
import { CopyField } from "./fields";
import { Trouble } from "./Trouble";
import { useArrival } from "./useHeading";
import { useTry } from "./useTry";

/** Days a key may count: the last is the server's own limit. */
const DAYS = [30, 90, 365, 730] as const;

interface Props {
  onMade: (key: PartnerKey) => void;
  onClose: () => void;
}

/** A key for another system: what it may read, from where, until when; then the key, once. */
export function NewSystem({ onMade, onClose }: Props) {
  const { t } = useWords();
  const { session } = useStaff();
  const heading = useArrival();
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<readonly Scope[]>([]);
  const [networks, setNetworks] = useState("");
  const [days, setDays] = useState<number>(DAYS[1]);
  const [sent, setSent] = useState(false);
  const [made, setMade] = useState<PartnerKeyMade | null>(null);
  const make = useTry(async () => {
    const lines = networks.split(/[\s,]+/).filter((line) => line !== "");
    const body = { name: name.trim(), scopes: chosen, networks: lines, days };
    const answer = await session.ask<PartnerKeyMade>({ method: "POST", path: "/api/v1/partner-keys", body });
    onMade(answer.partnerKey);
    setMade(answer);
  });
  const refused = make.problem?.code === "invalid" ? make.problem.detail.field : undefined;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSent(true);
    if (name.trim() !== "" && chosen.length > 0) void make.run();
    else make.clear();
  };
  if (made !== null) return <Made made={made} onClose={onClose} />;
  const nameless = sent && name.trim() === "" ? t("staff.field-empty") : null;
  return (
    <form className="form systems__new" onSubmit={submit} noValidate>
      <Button kind="quiet" icon={ArrowLeft} className="systems__back" onClick={onClose} data-testid="back">
        {t("systems.title")}
      </Button>
      <div className="sheet__head">
        <h1 ref={heading} tabIndex={-1}>
          {t("systems.new")}
        </h1>
        <p className="quiet">{t("systems.new-why")}</p>
      </div>
      <TextField
        label={t("systems.name")}
        hint={t("systems.name-why")}
        autoComplete="off"
        maxLength={100}
        value={name}
        error={refused === "name" ? t("systems.name-wrong") : nameless}
        onChange={(event) => setName(event.target.value)}
        data-testid="system-name"
      />
      <Scopes chosen={chosen} onChoose={setChosen} missing={(sent && chosen.length === 0) || refused === "scopes"} />
      <TextArea
        label={t("systems.networks")}
        hint={t("systems.networks-why")}
        autoCapitalize="none"
        spellCheck={false}
        value={networks}
        error={refused === "networks" ? t("systems.networks-wrong") : null}
        onChange={(event) => setNetworks(event.target.value)}
        data-testid="networks"
      />
      <Select label={t("systems.days")} value={days} onChange={(event) => setDays(Number(event.target.value))} data-testid="days">
        <option value={DAYS[0]}>{t("systems.days-of", { count: DAYS[0] })}</option>
        <option value={DAYS[1]}>{t("systems.days-of", { count: DAYS[1] })}</option>
        <option value={DAYS[2]}>{t("systems.year")}</option>
        <option value={DAYS[3]}>{t("systems.years")}</option>
      </Select>
      <Trouble problem={refused === undefined ? make.problem : null} />
      <div className="proof__actions">
        <Button kind="primary" type="submit" busy={make.running} data-testid="make-key">
          {t(make.running ? "systems.making" : "systems.make-it")}
        </Button>
        <Button onClick={onClose}>{t("common.cancel")}</Button>
      </div>
    </form>
  );
}

function Scopes({ chosen, onChoose, missing }: { chosen: readonly Scope[]; onChoose: (scopes: readonly Scope[]) => void; missing: boolean }) {
  const { t } = useWords();
  const id = useId();
  const toggle = (scope: Scope) => onChoose(chosen.includes(scope) ? chosen.filter((one) => one !== scope) : [...chosen, scope]);
  return (
    <fieldset className="choice" aria-describedby={missing ? id : undefined}>
      <legend>{t("systems.scopes")}</legend>
      <div className="choice__rows">
        {scopes.map((scope) => (
          <label key={scope} className="choice__row">
            <input type="checkbox" checked={chosen.includes(scope)} onChange={() => toggle(scope)} data-testid={`scope-${scope}`} />
            <span className="choice__words">
              <span className="choice__label">{t(`systems.scope.${scope}`)}</span>
            </span>
          </label>
        ))}
      </div>
      {missing && (
        <p className="field__error" id={id} role="alert">
          <Icon of={CircleAlert} />
          {t("systems.scopes-missing")}
        </p>
      )}
    </fieldset>
  );
}

function Made({ made, onClose }: { made: PartnerKeyMade; onClose: () => void }) {
  const { t } = useWords();
  const heading = useArrival();
  return (
    <div className="form systems__new">
      <h1 ref={heading} tabIndex={-1}>
        {t("systems.made-title", { name: made.partnerKey.name })}
      </h1>
      <Notice tone="attention">
        <p>{t("systems.made-why")}</p>
      </Notice>
      <CopyField label={t("systems.key")} value={made.key} testId="partner-key" primary />
      <div>
        <Button onClick={onClose} data-testid="key-copied">
          {t("systems.done")}
        </Button>
      </div>
    </div>
  );
}
