import { useCallback, useEffect, useState } from "react";
import { useWords } from "../i18n";
import { homeOf, type Me, Problem } from "../identity";
import { Button } from "../ui/Button/Button";
import { ClinicHeader } from "../ui/ClinicHeader/ClinicHeader";
import { LanguageSwitch } from "../ui/LanguageSwitch/LanguageSwitch";
import { Codes } from "./AccountCodes";
import { Passkeys } from "./AccountPasskeys";
import { Password } from "./AccountPassword";
import { Sessions } from "./AccountSessions";
import { useStaff, useStaffState } from "./context";
import { Guarded } from "./Guarded";
import { Own } from "./Own";
import { RoleNames } from "./Roles";
import { useTitle } from "./Sheet";
import "../ui/Choice/Choice.css";
import "./staff.css";
import "./admin.css";
import "./account.css";
import { Trouble } from "./Trouble";

/** One's own account, for everybody who works here: ways to sign in, and where one is signed in. */
export function AccountApp() {
  const { t } = useWords();
  return (
    <Guarded title={t("account.title")}>
      <Account />
    </Guarded>
  );
}

function Account() {
  const { t } = useWords();
  const { session } = useStaff();
  const { who, locked, trouble } = useStaffState();
  const [me, setMe] = useState<Me | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  useTitle(t(locked ? "lock.title" : "account.title"), who?.unit.name ?? "");

  const load = useCallback(async () => {
    setProblem(null);
    try {
      setMe(await session.ask<Me>({ method: "GET", path: "/api/v1/me" }));
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem("internal"));
    }
  }, [session]);
  // Again when the connection is back.
  useEffect(() => {
    if (trouble === null) void load();
  }, [load, trouble]);

  if (who === null) return null;
  const home = homeOf(who.person.roles);
  return (
    <>
      <ClinicHeader clinic={{ name: who.unit.name, phone: "" }} help={false}>
        <LanguageSwitch />
        <Own name={who.person.name} />
      </ClinicHeader>
      <main className="sheet account">
        <div className="sheet__head">
          {home !== null && (
            <p>
              <a className="account__home" href={home} data-testid="home">
                {t("account.home")}
              </a>
            </p>
          )}
          <h1>{t("account.title")}</h1>
          <p>{who.person.name}</p>
          <p className="quiet">{who.person.email}</p>
          <p className="quiet">
            <RoleNames roles={who.person.roles} />
          </p>
        </div>
        <Trouble
          problem={problem}
          actions={
            <Button onClick={() => void load()} data-testid="try-again">
              {t("common.try-again")}
            </Button>
          }
        />
        {me === null ? (
          problem === null && <p className="late">{t("staff.loading")}</p>
        ) : (
          <>
            <Passkeys me={me} onChanged={load} />
            {me.ways.password && (
              <>
                <Password email={me.person.email} onChanged={load} />
                <Codes left={me.recoveryCodesLeft} of={me.person.email} unit={who.unit.name} onChanged={load} />
              </>
            )}
            {me.ways.provider && <p className="quiet">{t("account.provided")}</p>}
            <Sessions sessions={me.sessions} onChanged={load} />
          </>
        )}
      </main>
    </>
  );
}
