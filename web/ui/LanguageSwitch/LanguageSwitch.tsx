import { chooseLanguage, languages, useWords } from "../../i18n";
import "./LanguageSwitch.css";

/** Each language named in itself. */
export function LanguageSwitch() {
  const { t, language } = useWords();
  return (
    <div className="language" role="group" aria-label={t("language.label")}>
      {languages.map(({ code, name }) => (
        <button
          key={code}
          type="button"
          lang={code}
          className="language__button"
          aria-pressed={code === language}
          onClick={() => void chooseLanguage(code)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
