import { type ReactNode, useEffect } from "react";
import { useWords } from "../i18n";
import { ClinicHeader } from "../ui/ClinicHeader/ClinicHeader";
import { LanguageSwitch } from "../ui/LanguageSwitch/LanguageSwitch";

interface Props {
  clinic: string;
  /** Of the window. */
  title: string;
  children: ReactNode;
}

/** One narrow column below the clinic's sign. */
export function Sheet({ clinic, title, children }: Props) {
  const { t } = useWords();
  useTitle(title, clinic);
  return (
    <>
      <ClinicHeader clinic={{ name: clinic, phone: "" }} help={false}>
        <LanguageSwitch />
      </ClinicHeader>
      <main className="sheet">{children}</main>
      <footer className="sheet__foot quiet small">{t("brand.by")}</footer>
    </>
  );
}

export function useTitle(title: string, clinic: string): void {
  useEffect(() => {
    document.title = `${title} · ${clinic}`;
  }, [title, clinic]);
}
