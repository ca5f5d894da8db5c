import { useLanguage, useWords } from "../i18n";
import { LANGUAGES } from "../i18n/language";

export function LanguageChoice() {
  const words = useWords();
  const { language, choose } = useLanguage();
  return (
    <div className="language" role="group" aria-label={words.shell.language}>
      {LANGUAGES.map(({ code, name }) => (
        <button key={code} type="button" lang={code} aria-pressed={language === code} onClick={() => choose(code)}>
          {name}
        </button>
      ))}
    </div>
  );
}
