import { type FormEvent, useEffect, useState } from "react";
import { languages, useWords } from "../i18n";
import type { UnitSettings } from "../identity";
import { Button } from "../ui/Button/Button";
import { Select, TextField } from "../ui/Field/Field";
import { useAnnounce } from "../ui/Live/Live";
import { rememberClinic, useStaff } from "./context";
import { Trouble } from "./Trouble";
import "./unit.css";
import { useTry } from "./useTry";

const MAX_NAME_CHARS = 100;

/** How the unit is set up: what administrators may change, and what only the operator can. */
export function UnitPage({ changes }: { changes: boolean }) {
  const { t } = useWords();
  const { session } = useStaff();
  const [seen, setSeen] = useState<{ body: UnitSettings; tag: string | null } | null>(null);
  const look = useTry(async () => setSeen(await session.askTagged<UnitSettings>({ method: "GET", path: "/api/v1/unit/settings" })));
  useEffect(() => void look.run(), [session]);
  return (
    <main className="trail unit" aria-labelledby="unit-title">
      <h1 id="unit-title">{t("unit.title")}</h1>
      <Trouble
        problem={look.problem}
        actions={
          <Button onClick={() => void look.run()} data-testid="try-again">
            {t("common.try-again")}
          </Button>
        }
      />
      {seen === null ? (
        look.running && <p className="quiet late">{t("staff.loading")}</p>
      ) : (
        <>
          {changes ? (
            // Another state of it is another form.
            <Form key={JSON.stringify(seen.body)} seen={seen} onSeen={setSeen} onLook={() => void look.run()} />
          ) : (
            <>
              <p className="quiet">{t("admin.look-only")}</p>
              <dl className="facts">
                <Fact name={t("unit.name")} value={seen.body.name} />
                <Fact name={t("unit.language")} value={languages.find(({ code }) => code === seen.body.language)?.name ?? seen.body.language} />
                <Fact name={t("unit.zone")} value={zoneName(seen.body.zone)} />
              </dl>
            </>
          )}
          <section aria-labelledby="unit-operator" className="unit__operator">
            <h2 id="unit-operator">{t("unit.operator")}</h2>
            <p className="quiet">{t("unit.operator-why")}</p>
            <dl className="facts">
              <Fact name={t("unit.address")} value={seen.body.address} />
              {seen.body.hosts.length > 1 && <Fact name={t("unit.hosts")} value={seen.body.hosts.join(", ")} />}
            </dl>
          </section>
        </>
      )}
    </main>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd data-testid="fact">{value}</dd>
    </div>
  );
}

/** "America/New York": without what only programs write. */
const zoneName = (zone: string) => zone.replaceAll("_", " ");

/** Those that the browser knows; the unit's own among them, even if it does not. */
function zones(own: string): string[] {
  const known = Intl.supportedValuesOf("timeZone");
  return [...new Set([...known, "UTC", own])].sort();
}

interface FormProps {
  seen: { body: UnitSettings; tag: string | null };
  onSeen: (seen: { body: UnitSettings; tag: string | null }) => void;
  onLook: () => void;
}

function Form({ seen, onSeen, onLook }: FormProps) {
  const { t } = useWords();
  const { session } = useStaff();
  const announce = useAnnounce();
  const [wanted, setWanted] = useState(seen.body);
  const [sent, setSent] = useState(false);
  const save = useTry(async () => {
    const { name, language, zone } = wanted;
    const body = {
      ...(name.trim() === seen.body.name ? {} : { name: name.trim() }),
      ...(language === seen.body.language ? {} : { language }),
      ...(zone === seen.body.zone ? {} : { zone }),
    };
    const saved = await session.askTagged<UnitSettings>({ method: "PATCH", path: "/api/v1/unit/settings", body, match: seen.tag ?? undefined });
    rememberClinic(saved.body.name);
    announce(t("unit.saved"));
    onSeen(saved);
    // The name above the page comes with the session.
    void session.resume();
  });
  const empty = wanted.name.trim() === "";
  const changed = wanted.name.trim() !== seen.body.name || wanted.language !== seen.body.language || wanted.zone !== seen.body.zone;
  const wrong = save.problem?.code === "invalid" ? save.problem.detail.field : undefined;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSent(true);
    if (!empty) void save.run();
  };
  return (
    <form className="form unit__form" onSubmit={submit} noValidate>
      <TextField
        label={t("unit.name")}
        hint={t("unit.name-why")}
        value={wanted.name}
        maxLength={MAX_NAME_CHARS}
        autoComplete="off"
        error={sent && empty ? t("staff.field-empty") : wrong === "name" ? t("unit.name-wrong") : null}
        onChange={(event) => setWanted({ ...wanted, name: event.target.value })}
        data-testid="unit-name"
      />
      <Select
        label={t("unit.language")}
        hint={t("unit.language-why")}
        value={wanted.language}
        onChange={(event) => setWanted({ ...wanted, language: event.target.value as UnitSettings["language"] })}
        data-testid="unit-language"
      >
        {languages.map(({ code, name }) => (
          <option key={code} value={code} lang={code}>
            {name}
          </option>
        ))}
      </Select>
      <Select
        label={t("unit.zone")}
        hint={t("unit.zone-why")}
        value={wanted.zone}
        error={wrong === "zone" ? t("unit.zone-wrong") : null}
        onChange={(event) => setWanted({ ...wanted, zone: event.target.value })}
        data-testid="unit-zone"
      >
        {zones(seen.body.zone).map((zone) => (
          <option key={zone} value={zone}>
            {zoneName(zone)}
          </option>
        ))}
      </Select>
      <Trouble
        problem={wrong === undefined ? save.problem : null}
        actions={save.problem?.code === "changed-meanwhile" && <Button onClick={onLook}>{t("unit.look")}</Button>}
      />
      {changed && (
        <div className="proof__actions">
          <Button kind="primary" type="submit" busy={save.running} data-testid="save-unit">
            {t("unit.save")}
          </Button>
          <Button onClick={() => setWanted(seen.body)}>{t("common.cancel")}</Button>
        </div>
      )}
    </form>
  );
}
