import type { ReactNode } from "react";
import { hasWords, type Key, useWords } from "../../i18n";
import { Notice, type Tone } from "./Notice";

interface Props {
  /** A device fault (`camera-blocked`), an error code of the protocol, or `network`. */
  code: string;
  reference?: string | undefined;
  actions?: ReactNode;
  tone?: Tone;
}

/** An error from the catalogue: what happened, what it means for you, what to do now, a reference. */
export function Problem({ code, reference, actions, tone = "attention" }: Props) {
  const { t } = useWords();
  const known = hasWords(`problem.${code}.what`) ? code : "internal";
  const words = (part: string) => t(`problem.${known}.${part}` as Key & `problem.internal.what`);
  return (
    <Notice tone={tone} title={words("what")} actions={actions}>
      <p>{words("means")}</p>
      <p>{words("do")}</p>
      <p className="notice__reference">{t("common.reference", { reference: reference ?? code.toUpperCase() })}</p>
    </Notice>
  );
}
