import { ArrowLeft, DoorOpen, MessageSquare } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useWords } from "../i18n";
import { dayAndTime, waited } from "../i18n/time";
import type { QueueEntry } from "../protocol/generated";
import { Button } from "../ui/Button/Button";
import { Chat } from "../ui/Chat/Chat";
import { Check } from "../ui/Field/Field";
import { Health } from "../ui/Health/Health";
import { useKeys } from "../ui/Keys/useKeys";
import { Notice } from "../ui/Notice/Notice";
import { useServerNow, useSession, useSessionState, useVerb } from "../ui/session";
import { Deny } from "./Deny";
import { age, away } from "./waiting";

/** Two identifiers, as asked and matched. */
export interface Identity {
  name: boolean;
  birth: boolean;
}

export const unconfirmed: Identity = { name: false, birth: false };

interface Props {
  entry: QueueEntry;
  /** From which message on they are saved and not recorded yet. */
  unrecordedFrom: number | undefined;
  identity: Identity;
  onIdentity: (identity: Identity) => void;
  /** In a call: look and write, but admit nobody. */
  busy: boolean;
  keys: boolean;
  onBack: () => void;
}

/** Who is it: confirm, write, admit or not. */
export function Who({ entry, unrecordedFrom, identity, onIdentity, busy, keys, onBack }: Props) {
  const { t, language } = useWords();
  const session = useSession();
  const { me, chat, local } = useSessionState();
  const now = useServerNow();
  const [denying, setDenying] = useState(false);
  const [missing, setMissing] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  const firstCheck = useRef<HTMLInputElement>(null);
  const name = entry.name === "" ? t("common.unnamed") : entry.name;
  const waiting = entry.phase.is === "waiting";
  const gone = away(entry, now);
  const [admit, admitting] = useVerb(() => {
    // The browser's prompt, if there is one, belongs to this click.
    if (local.status === "idle") void session.devices.open("video").catch(() => undefined);
    return session.admit(entry.visit);
  });

  useEffect(() => heading.current?.focus(), []);

  const tryToAdmit = () => {
    if (!waiting || busy || admitting) return;
    if (!identity.name || !identity.birth) {
      setMissing(true);
      firstCheck.current?.focus();
      return;
    }
    void admit();
  };
  useKeys(keys && waiting && !busy, { KeyA: tryToAdmit }, () => undefined);

  return (
    <article className="who" data-testid="who" aria-labelledby="who-name">
      <div className="who__facts">
        <Button kind="quiet" icon={ArrowLeft} className="who__back" onClick={onBack} data-testid="back">
          {t("who.back")}
        </Button>
        <div className="who__head">
          <h1 id="who-name" ref={heading} tabIndex={-1}>
            {name}
          </h1>
          <p className="who__reason">{entry.reason === "" ? t("who.no-reason") : entry.reason}</p>
        </div>
        <dl className="who__list">
          {waiting && (
            <div>
              <dt>{t("who.waits")}</dt>
              <dd className="figures">{waited(age(entry, now))}</dd>
            </div>
          )}
          <div>
            <dt>{t("who.appointment")}</dt>
            <dd className="figures">
              {entry.scheduledAt === null ? t("who.none") : dayAndTime(entry.scheduledAt, now, language)}
            </dd>
          </div>
        </dl>
        {waiting && !busy && (
          <>
            <fieldset className="who__confirm" aria-describedby={missing ? "who-missing" : undefined}>
              <legend>{t("who.confirm")}</legend>
              <p className="who__ask">
                <span className="quiet">{t("who.confirm-why")}</span>
                <Button
                  icon={MessageSquare}
                  onClick={() => void session.chat(entry.visit, t("who.quick-identity")).catch(() => undefined)}
                  data-testid="ask-identity"
                >
                  {t("who.ask")}
                </Button>
              </p>
              <Check
                ref={firstCheck}
                label={t("who.confirm-name")}
                checked={identity.name}
                onChange={(event) => onIdentity({ ...identity, name: event.target.checked })}
                data-testid="confirm-name"
              />
              <Check
                label={t("who.confirm-birth")}
                checked={identity.birth}
                onChange={(event) => onIdentity({ ...identity, birth: event.target.checked })}
                data-testid="confirm-birth"
              />
              {missing && !(identity.name && identity.birth) && (
                <p className="field__error" id="who-missing" role="alert">
                  {t("who.confirm-missing")}
                </p>
              )}
            </fieldset>
            <div className="who__actions">
              <Button kind="primary" icon={DoorOpen} onClick={tryToAdmit} busy={admitting} aria-keyshortcuts={keys ? "Alt+A" : undefined} data-testid="admit">
                {admitting ? t("who.admitting") : t("who.admit")}
                {keys && <kbd aria-hidden="true">Alt A</kbd>}
              </Button>
              <Button onClick={() => setDenying(true)} data-testid="deny">
                {t("who.deny")}
              </Button>
            </div>
          </>
        )}
        {waiting && busy && <Notice>{<p>{t("who.busy")}</p>}</Notice>}
        {/* What comes and goes by itself stands below what is pressed, so that nothing moves under the finger. */}
        {gone !== null && waiting && (
          <Notice tone="attention">
            <p>{t("who.away", { name, time: waited(gone) })}</p>
          </Notice>
        )}
        <dl className="who__list">
          {entry.modality !== null && (
            <div>
              <dt>{t("who.talks-by")}</dt>
              <dd>{t(`who.${entry.modality}`)}</dd>
            </div>
          )}
          {waiting && (
            <div>
              <dt>{t("who.devices")}</dt>
              <dd>
                <Health devices={entry.devices} all />
              </dd>
            </div>
          )}
        </dl>
        {(entry.phase.is === "ended" || entry.phase.is === "in-call") && <p className="quiet">{t("who.gone")}</p>}
      </div>
      {entry.phase.is !== "ended" && (
        <section className="who__messages" aria-labelledby="who-messages">
          <h2 id="who-messages">{t("chat.with", { name })}</h2>
          <Chat
            label={t("chat.with", { name })}
            messages={chat[entry.visit] ?? []}
            me={me}
            nameOf={() => name}
            unrecorded={unrecordedFrom === undefined ? undefined : { from: unrecordedFrom, words: t("record.mark") }}
            onSend={(text) => session.chat(entry.visit, text)}
            quick={[t("who.quick-late"), t("who.quick-soon")]}
            quickLabel={t("who.quick")}
          />
        </section>
      )}
      {denying && <Deny visit={entry.visit} name={name} onClose={() => setDenying(false)} onDone={onBack} />}
    </article>
  );
}
