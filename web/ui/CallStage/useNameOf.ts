import { useWords } from "../../i18n";
import type { VisitView } from "../../protocol/generated";

/** The name to show for a participant; the practitioner by the name the clinic gives them. */
export function useNameOf(visit: VisitView): (participant: string) => string {
  const { t } = useWords();
  return (id) => {
    const person = visit.participants.find((one) => one.id === id);
    if (person?.role === "clinician") return visit.practitioner;
    return person === undefined || person.name === "" ? t("common.unnamed") : person.name;
  };
}
