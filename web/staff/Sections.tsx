import { Siren } from "lucide-react";
import { type ReactNode, useEffect, useState, useSyncExternalStore } from "react";
import { useWords } from "../i18n";
import { clockTime } from "../i18n/time";
import type { StaffRole } from "../identity";
import { Icon } from "../ui/Icon/Icon";
import { AuditTrail } from "./AuditTrail";
import { BreakGlass } from "./BreakGlass";
import { Emergencies } from "./Emergencies";
import { StatusPage } from "./StatusPage";
import { Systems } from "./Systems";
import "./trail.css";
import { UnitPage } from "./UnitPage";
import { useEmergencies } from "./useEmergencies";
import { roomName, useWaitingRooms } from "./useWaitingRooms";

const names = ["status", "people", "unit", "audit", "emergencies", "systems", "emergency"] as const;
type Name = (typeof names)[number];

/** Which sections somebody's roles open. */
export function sectionsOf(roles: readonly StaffRole[]): Name[] {
  const has = (role: StaffRole) => roles.includes(role);
  const looks = has("administrator") || has("auditor");
  const open: Record<Name, boolean> = {
    status: looks || has("sre"),
    people: looks,
    unit: looks,
    audit: has("auditor"),
    emergencies: looks,
    systems: looks,
    emergency: has("clinician"),
  };
  return names.filter((name) => open[name]);
}

const listen = (call: () => void) => {
  addEventListener("hashchange", call);
  return () => removeEventListener("hashchange", call);
};

/** The parts of the page for administrators, auditors and clinicians, by the address's fragment. */
export function Sections({ roles, people }: { roles: readonly StaffRole[]; people: ReactNode }) {
  const { t } = useWords();
  const open = sectionsOf(roles);
  const hash = useSyncExternalStore(listen, () => location.hash.slice(1));
  const here = open.find((name) => name === hash) ?? open[0];
  const judges = roles.includes("auditor");
  if (here === undefined) return null;
  return (
    <>
      {open.length > 1 && (
        <nav className="sections" aria-label={t("section.nav")}>
          {open.map((name) => (
            <a key={name} href={`#${name}`} aria-current={name === here ? "page" : undefined} data-testid={`section-${name}`}>
              {t(`section.${name}`)}
            </a>
          ))}
        </nav>
      )}
      {open.includes("emergencies") && here !== "emergencies" && <Alert />}
      {here === "status" && <StatusPage />}
      {here === "people" && people}
      {here === "unit" && <UnitPage changes={roles.includes("administrator")} />}
      {here === "audit" && <AuditTrail />}
      {here === "emergencies" && <Emergencies judges={judges} />}
      {here === "systems" && <Systems changes={roles.includes("administrator")} />}
      {here === "emergency" && <BreakGlass />}
    </>
  );
}

/** Somebody sees what they have no right to otherwise: said at once, wherever one is. */
function Alert() {
  const { t, language } = useWords();
  const { page } = useEmergencies("open");
  const rooms = useWaitingRooms();
  const [said, setSaid] = useState("");
  const newest = page?.emergencies[0];
  const words =
    newest === undefined
      ? ""
      : t("emergency.alert", {
          who: newest.by.name ?? "?",
          room: roomName(rooms, newest.waitingRoom),
          until: clockTime(newest.until, language),
        });
  useEffect(() => setSaid(words), [words]);
  return (
    <div role="alert" className="alarm" data-testid="alarm" hidden={said === ""}>
      {said !== "" && (
        <>
          <Icon of={Siren} />
          <p>
            <strong>{t("emergency.alert-count", { count: page?.open ?? 0 })}</strong> {said}
          </p>
          <a href="#emergencies">{t("emergency.alert-open")}</a>
        </>
      )}
    </div>
  );
}
