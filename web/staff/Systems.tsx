import { CalendarX, CircleCheck, CircleX, KeyRound, type LucideIcon } from "lucide-react";
import { useCallback, useEffect, useRef, useState } from "react";
import { useWords } from "../i18n";
import { day } from "../i18n/time";
import { type PartnerKey, scopes } from "../identity";
import { Button } from "../ui/Button/Button";
import { Dialog } from "../ui/Dialog/Dialog";
import { Icon } from "../ui/Icon/Icon";
import { useAnnounce } from "../ui/Live/Live";
import { useStaff } from "./context";
import { NewSystem } from "./NewSystem";
import "./systems.css";
import { Trouble } from "./Trouble";
import { useTry } from "./useTry";

const KEYS = "/api/v1/partner-keys";
const DAY_MS = 86_400_000;
/** From how many days on a last day that comes near is said. */
const NEAR_DAYS = 14;

const drawings: Record<PartnerKey["state"], LucideIcon> = { counts: CircleCheck, over: CalendarX, revoked: CircleX };

/** Which other organisations' systems have a key, for administrators; auditors look. */
export function Systems({ changes }: { changes: boolean }) {
  const { t } = useWords();
  const { session } = useStaff();
  const [keys, setKeys] = useState<readonly PartnerKey[] | null>(null);
  const [making, setMaking] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  const load = useTry(async () => {
    const list = await session.ask<{ partnerKeys: PartnerKey[] }>({ method: "GET", path: KEYS });
    setKeys(list.partnerKeys);
  });
  // Once, and again when asked to.
  const first = useRef(load.run);
  useEffect(() => void first.current(), []);
  const put = useCallback((key: PartnerKey) => setKeys((all) => [key, ...(all ?? []).filter(({ id }) => id !== key.id)]), []);
  const close = () => {
    setMaking(false);
    requestAnimationFrame(() => opener.current?.focus());
  };

  if (making) {
    return (
      <main className="trail">
        <NewSystem onMade={put} onClose={close} />
      </main>
    );
  }
  return (
    <main className="trail" aria-labelledby="systems-title">
      <div className="systems__head">
        <h1 id="systems-title">{t("systems.title")}</h1>
        {changes && keys !== null && (
          <Button ref={opener} kind="primary" icon={KeyRound} onClick={() => setMaking(true)} data-testid="new-key">
            {t("systems.make")}
          </Button>
        )}
      </div>
      <p>
        {t("systems.body")} {!changes && t("systems.look-only")}
      </p>
      <Trouble problem={load.problem} actions={<Button onClick={() => void load.run()}>{t("common.try-again")}</Button>} />
      {keys === null && load.problem === null && <p className="quiet late">{t("staff.loading")}</p>}
      {keys?.length === 0 && (
        <div className="trail__none" data-testid="no-systems">
          <h2>{t("systems.none-title")}</h2>
          <p className="quiet">{t(changes ? "systems.none" : "systems.none-looking")}</p>
        </div>
      )}
      {keys !== null && keys.length > 0 && (
        <ul className="systems">
          {keys.map((key) => (
            <li key={key.id}>
              <Card system={key} changes={changes} onRevoked={() => put({ ...key, state: "revoked", revokedAt: Date.now() })} />
            </li>
          ))}
        </ul>
      )}
    </main>
  );
}

function Card({ system, changes, onRevoked }: { system: PartnerKey; changes: boolean; onRevoked: () => void }) {
  const { t, language } = useWords();
  const { session } = useStaff();
  const announce = useAnnounce();
  const [asked, setAsked] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  const { name, state } = system;
  const revoke = useTry(async () => {
    await session.ask({ method: "DELETE", path: `${KEYS}/${system.id}` });
    onRevoked();
    announce(t("systems.was-revoked", { name }));
    // The button is gone with the key's right.
    requestAnimationFrame(() => heading.current?.focus());
  });
  const when = (at: number) => day(at, language);
  const left = Math.ceil((system.until - Date.now()) / DAY_MS);
  return (
    <article className="system" data-state={state} data-testid="system">
      <h2 ref={heading} tabIndex={-1}>
        {name}
      </h2>
      <p className="system__state">
        <Icon of={drawings[state]} />
        {t(`systems.state.${state}`)}
        {state === "counts" && left <= NEAR_DAYS && <strong>{t("systems.days-left", { count: left })}</strong>}
      </p>
      <dl className="system__facts">
        <div>
          <dt>{t("systems.reads")}</dt>
          <dd>
            <ul>
              {scopes
                .filter((scope) => system.scopes.includes(scope))
                .map((scope) => (
                  <li key={scope}>{t(`systems.scope.${scope}`)}</li>
                ))}
            </ul>
          </dd>
        </div>
        <div>
          <dt>{t("systems.from")}</dt>
          <dd className="figures">{system.networks.length === 0 ? t("systems.anywhere") : system.networks.join(", ")}</dd>
        </div>
        <div>
          <dt>{t("systems.made")}</dt>
          <dd className="figures">{t("systems.made-by", { at: when(system.madeAt), who: system.madeBy.name ?? "?" })}</dd>
        </div>
        <div>
          <dt>{t(system.revokedAt === null ? "systems.until" : "systems.revoked-at")}</dt>
          <dd className="figures">{when(system.revokedAt ?? system.until)}</dd>
        </div>
      </dl>
      <Trouble problem={revoke.problem} />
      {changes && state === "counts" && (
        <div>
          <Button busy={revoke.running} aria-label={t("systems.revoke-this", { name })} onClick={() => setAsked(true)} data-testid={`revoke-${system.id}`}>
            {t("systems.revoke")}
          </Button>
        </div>
      )}
      {asked && (
        <Dialog
          title={t("systems.revoke-title", { name })}
          onClose={() => setAsked(false)}
          actions={
            <>
              <Button
                kind="danger"
                onClick={() => {
                  setAsked(false);
                  void revoke.run();
                }}
                data-testid="revoke-yes"
              >
                {t("systems.revoke-yes")}
              </Button>
              <Button onClick={() => setAsked(false)}>{t("systems.revoke-no")}</Button>
            </>
          }
        >
          <p>{t("systems.revoke-why")}</p>
        </Dialog>
      )}
    </article>
  );
}
