import { Lock as LockDrawing, LogOut } from "lucide-react";
import { useWords } from "../i18n";
import { Button } from "../ui/Button/Button";
import { useStaff } from "./context";
import { Trouble } from "./Trouble";
import { useTry } from "./useTry";

/** Whose page it is, the way to their account, and the two ways to leave. */
export function Own({ name }: { name: string }) {
  const { t } = useWords();
  const { session } = useStaff();
  const leave = useTry(() => session.signOut());
  return (
    <>
      <div className="own">
        <a className="own__name" href="/account" data-testid="own-account">
          {name}
        </a>
        <Button kind="quiet" icon={LockDrawing} onClick={() => void session.lock().catch(() => undefined)} data-testid="lock-now">
          {t("admin.lock")}
        </Button>
        <Button kind="quiet" icon={LogOut} busy={leave.running} onClick={() => void leave.run()} data-testid="sign-out">
          {t("admin.sign-out")}
        </Button>
      </div>
      {leave.problem !== null && <Trouble problem={leave.problem} />}
    </>
  );
}
