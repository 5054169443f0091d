import { type FormEvent, useState } from "react";
import { Smartphone } from "lucide-react";
import { useWords } from "../i18n";
import { CODE_DIGITS, type Expected, type Problem } from "../identity";
import { Button } from "../ui/Button/Button";
import { Icon } from "../ui/Icon/Icon";
import { Notice } from "../ui/Notice/Notice";
import { CodeField, CopyText } from "./fields";
import { QrPicture } from "./QrPicture";
import { Trouble, useTrouble } from "./Trouble";
import { useArrival } from "./useHeading";

interface Props {
  expected: Expected;
  connect: { run: (code: string) => Promise<boolean>; running: boolean; problem: Problem | null; clear: () => void };
  /** The first ticket was over, so the key is another one. */
  renewed: boolean;
  onBack: () => void;
}

/** The key of an app, three ways: opened on this phone, scanned, typed; and a code as proof that it has it. */
export function JoinAuthenticator({ expected, connect, renewed, onBack }: Props) {
  const { t } = useWords();
  const trouble = useTrouble();
  const [code, setCode] = useState("");
  const [short, setShort] = useState(false);
  const heading = useArrival();
  const { uri, secret } = expected.authenticator;
  const refused = connect.problem?.code === "wrong-code" ? trouble(connect.problem) : null;
  const whole = code.length === CODE_DIGITS;

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setShort(!whole);
    if (whole) void connect.run(code);
    else connect.clear();
  };

  return (
    <form className="sheet__form" onSubmit={submit} noValidate>
      <div className="sheet__head">
        <p className="quiet small">{t("join.step", { step: 2 })}</p>
        <h1 ref={heading} tabIndex={-1}>
          {t("join.app-title")}
        </h1>
        <p>{t("join.app-why")}</p>
        <p className="quiet small">{t("join.app-which")}</p>
      </div>
      {renewed && (
        <Notice tone="attention">
          <p>{t("join.again")}</p>
        </Notice>
      )}
      <div className="on-phone">
        <p className="field__label">{t("join.open-app-why")}</p>
        <a className="button button--plain button--wide" href={uri} data-testid="open-app">
          <Icon of={Smartphone} />
          <span>{t("join.open-app")}</span>
        </a>
      </div>
      <div className="scan">
        <p className="field__label">{t("join.scan")}</p>
        <QrPicture text={uri} label={t("join.picture")} />
      </div>
      <CopyText label={t("join.type")} value={secret} testId="key" />
      <Trouble problem={refused === null ? connect.problem : null} />
      <CodeField
        label={t("join.code")}
        value={code}
        onType={setCode}
        error={refused !== null ? `${refused.what}. ${refused.todo}` : short && !whole ? t("sign-in.code-short") : null}
      />
      <Button kind="primary" type="submit" wide busy={connect.running} data-testid="connect">
        {t(connect.running ? "sign-in.working" : "join.finish")}
      </Button>
      <div className="sheet__ways">
        <Button kind="quiet" onClick={onBack}>
          {t("join.back")}
        </Button>
      </div>
    </form>
  );
}
