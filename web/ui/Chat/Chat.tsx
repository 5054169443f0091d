import { SendHorizontal } from "lucide-react";
import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import type { SessionState } from "../../call/session";
import { useWords } from "../../i18n";
import { clockTime } from "../../i18n/time";
import { Limits } from "../../protocol/generated";
import { Button } from "../Button/Button";
import "./Chat.css";

type Message = SessionState["chat"][string][number];

interface Props {
  messages: readonly Message[];
  /** Names this page knows, by participant. */
  nameOf: (message: Message) => string;
  me: string | null;
  onSend: (text: string) => Promise<unknown>;
  /** From which message on they are not recorded yet, and how that is said. */
  unrecorded?: { from: number; words: string } | undefined;
  /** What is said to those who do not see the list. */
  label: string;
  /** Ready phrases, sent with one press. */
  quick?: readonly string[];
  quickLabel?: string;
}

/** Messages, oldest first. New ones never move the focus. */
export function Chat({ messages, nameOf, me, onSend, unrecorded, label, quick, quickLabel }: Props) {
  const { t, language } = useWords();
  const [text, setText] = useState("");
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  const tooLong = [...text].length > Limits.chatChars;

  useEffect(() => {
    const element = list.current;
    if (element !== null) element.scrollTop = element.scrollHeight;
  }, [messages.length]);

  const send = (event?: FormEvent) => {
    event?.preventDefault();
    const said = text.trim();
    if (said === "" || tooLong) return;
    setText("");
    onSend(said).catch(() => undefined); // A failed message stays in the list and says so.
  };

  return (
    <div className="chat">
      <div className="chat__log" ref={list} role="log" aria-label={label} tabIndex={messages.length > 0 ? 0 : undefined}>
      {messages.length === 0 && <p className="chat__empty">{t("chat.empty")}</p>}
      <ol className="chat__list">
        {messages.map((message, at) => (
          <li
            key={`${message.seq}-${at}`}
            className={message.from === me ? "chat__message chat__message--mine" : "chat__message"}
            data-testid="chat-message"
          >
            <p className="chat__who">
              <span>{message.from === me ? t("common.you") : nameOf(message)}</span>{" "}
              <time className="figures" dateTime={new Date(message.at).toISOString()}>
                {clockTime(message.at, language)}
              </time>
              {unrecorded !== undefined && message.seq >= unrecorded.from && (
                <span className="chat__mark">{unrecorded.words}</span>
              )}
            </p>
            <p className="chat__text">{message.text}</p>
            {message.pending === true && message.failed !== true && <p className="chat__state">{t("chat.sending")}</p>}
            {message.failed === true && <p className="chat__state chat__state--failed">{t("chat.failed")}</p>}
          </li>
        ))}
      </ol>
      </div>
      {quick !== undefined && (
        <div className="chat__quick" role="group" aria-label={quickLabel}>
          {quick.map((phrase) => (
            <button key={phrase} type="button" onClick={() => void onSend(phrase).catch(() => undefined)}>
              {phrase}
            </button>
          ))}
        </div>
      )}
      <form className="chat__form" onSubmit={send}>
        <label className="visually-hidden" htmlFor={id}>
          {t("chat.label")}
        </label>
        <textarea
          id={id}
          className="chat__input"
          rows={1}
          value={text}
          placeholder={t("chat.label")}
          aria-invalid={tooLong || undefined}
          aria-describedby={tooLong ? `${id}-long` : undefined}
          data-testid="chat-input"
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) send(event);
          }}
        />
        <Button type="submit" icon={SendHorizontal} data-testid="chat-send">
          {t("chat.send")}
        </Button>
        {tooLong && (
          <p className="chat__state chat__state--failed" id={`${id}-long`} role="alert">
            {t("chat.too-long")}
          </p>
        )}
      </form>
    </div>
  );
}
