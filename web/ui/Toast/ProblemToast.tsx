import { useWords } from "../../i18n";
import { Button } from "../Button/Button";
import { Problem } from "../Notice/Problem";
import { useSession, useSessionState } from "../session";
import "./Toast.css";

/** The newest refusal that a person should read. Stays until it is dismissed. */
export function ProblemToast() {
  const { t } = useWords();
  const session = useSession();
  const { problem } = useSessionState();
  return (
    <div className="toast" role="alert" data-testid="problem-toast">
      {problem !== null && (
        <Problem
          code={problem.code}
          reference={problem.reference}
          actions={<Button onClick={() => session.dismissProblem()}>{t("common.dismiss")}</Button>}
        />
      )}
    </div>
  );
}
