import { Phone } from "lucide-react";
import type { ReactNode } from "react";
import { useWords } from "../../i18n";
import { Icon } from "../Icon/Icon";
import "./ClinicHeader.css";

interface Props {
  clinic: { name: string; phone: string } | null;
  children?: ReactNode;
}

/** The clinic's sign above the door: its name, and its telephone one glance away. */
export function ClinicHeader({ clinic, children }: Props) {
  return (
    <header className="sign">
      <div className="sign__inner">
        <p className="sign__name">{clinic?.name ?? ""}</p>
        <div className="sign__side">
          {clinic !== null && clinic.phone !== "" && <PhoneLink phone={clinic.phone} />}
          {children}
        </div>
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
