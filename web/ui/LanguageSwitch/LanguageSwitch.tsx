import { chooseLanguage, languages, useWords } from "../../i18n";
import "./LanguageSwitch.css";

/** The languages this page is not in, each named in itself. */
export function LanguageSwitch() {
  const { language } = useWords();
  return languages
    .filter(({ code }) => code !== language)
    .map(({ code, name }) => (
      <button key={code} type="button" lang={code} className="language" onClick={() => void chooseLanguage(code)}>
        {name}
      </button>
    ));
}
