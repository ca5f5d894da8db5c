import { useLanguage, useWords } from "../i18n";

export function LanguageChoice() {
  const words = useWords();
  const { language, choose } = useLanguage();
  return (
    <div className="language" role="group" aria-label={words.shell.language}>
      <button type="button" lang="nb" aria-pressed={language === "nb"} onClick={() => choose("nb")}>
        Norsk
      </button>
      <button type="button" lang="en" aria-pressed={language === "en"} onClick={() => choose("en")}>
        English
      </button>
    </div>
  );
}
