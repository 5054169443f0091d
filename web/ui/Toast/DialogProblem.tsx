import { useState } from "react";
import { Problem } from "../Notice/Problem";
import { useSessionState } from "../session";
import "./Toast.css";

/**
 * What was refused since a dialog opened, inside it: the page behind a modal dialog cannot be read.
 * `words` names other words of the catalogue for a code, where the dialog knows better what it means.
 */
export function DialogProblem({ words = {} }: { words?: Readonly<Record<string, string>> }) {
  const { problem } = useSessionState();
  const [before] = useState(problem);
  return (
    <div role="alert" className="dialog-problem" data-testid="dialog-problem">
      {problem !== null && problem !== before && (
        <Problem code={words[problem.code] ?? problem.code} reference={problem.reference} />
      )}
    </div>
  );
}
