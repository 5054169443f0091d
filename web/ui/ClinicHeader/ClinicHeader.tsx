import { Phone } from "lucide-react";
import type { ReactNode } from "react";
import { useWords } from "../../i18n";
import { Icon } from "../Icon/Icon";
import "./ClinicHeader.css";

interface Props {
  clinic: { name: string; phone: string } | null;
  /** Patients see whom to call on every page; staff do not call themselves. */
  help?: boolean;
  children?: ReactNode;
}

/** The clinic's sign above the door: its name, and for patients its telephone, one glance away. */
export function ClinicHeader({ clinic, help = true, children }: Props) {
  const { t } = useWords();
  return (
    <header className="sign">
      <div className="sign__inner">
        <p className="sign__name">{clinic?.name ?? ""}</p>
        {children}
        {help && clinic !== null && clinic.phone !== "" && (
          <p className="sign__help">
            <span>{t("common.need-help")}</span> <PhoneLink phone={clinic.phone} />
          </p>
        )}
      </div>
    </header>
  );
}

/** The telephone number: a tap calls it. */
export function PhoneLink({ phone }: { phone: string }) {
  const { t } = useWords();
  return (
    <a className="phone" href={`tel:${phone.replaceAll(/[^\d+]/g, "")}`} aria-label={t("common.call-clinic", { phone })}>
      <Icon of={Phone} />
      <span className="figures">{phone}</span>
    </a>
  );
}
