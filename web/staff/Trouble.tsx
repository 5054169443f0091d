import { RefreshCw, WifiOff } from "lucide-react";
import type { ReactNode } from "react";
import { hasWords, type Key, useWords } from "../i18n";
import { CANCELLED, OFFLINE, type Problem } from "../identity";
import { Notice } from "../ui/Notice/Notice";

/** What happened and what to do now, by the problem's code. */
export function useTrouble(): (problem: Problem) => { what: string; todo: string } {
  const { t } = useWords();
  return (problem) => {
    const code = hasWords(`trouble.${problem.code}.what`) ? problem.code : "internal";
    const wait = problem.detail.retryAfter;
    return {
      what: t(`trouble.${code}.what` as Key & "trouble.internal.what"),
      todo:
        wait !== undefined && wait >= 1_000 && code !== "internal"
          ? t("trouble.wait", { count: Math.ceil(wait / 1_000) })
          : t(`trouble.${code}.do` as Key & "trouble.internal.do"),
    };
  };
}

interface Props {
  problem: Problem | null;
  actions?: ReactNode;
}

/** A problem that stands by itself. The region is there before the problem, so that it is read when it comes. */
export function Trouble({ problem, actions }: Props) {
  const { t } = useWords();
  const words = useTrouble();
  const shown = problem !== null && problem.code !== CANCELLED ? problem : null;
  const icon = shown?.code === OFFLINE ? WifiOff : shown?.code === "unavailable" ? RefreshCw : undefined;
  return (
    <div role="alert" className="trouble" data-testid="trouble" data-code={shown?.code}>
      {shown !== null && (
        <Notice tone="attention" title={words(shown).what} actions={actions} {...(icon === undefined ? {} : { icon })}>
          <p>{words(shown).todo}</p>
          {shown.detail.reference !== undefined && (
            <p className="notice__reference">{t("common.reference", { reference: shown.detail.reference })}</p>
          )}
        </Notice>
      )}
    </div>
  );
}
