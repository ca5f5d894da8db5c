/// Which language the page speaks, kept between visits. Bokmål unless somebody chose otherwise.
import { createContext, useContext, useEffect, useState } from "react";
import type { Text } from "../api";
import { useRemembered } from "../remember";
import { LANGUAGES, OURS, type Speech, speech } from "./language";
import type { Words } from "./nb";

export type { Words };

interface Spoken extends Speech {
  choose: (language: string) => void;
}

export const LanguageContext = createContext<Spoken>({ ...OURS, choose: () => undefined });

export const useLanguage = () => useContext(LanguageContext);

/// The language somebody chose; until it has come the one before it, and null before the first.
export function useSpoken(): Spoken | null {
  const [language, choose] = useRemembered("hjemvakt.language", LANGUAGES.map((one) => one.code), OURS.language);
  const [spoken, speak] = useState<Speech | null>(language === OURS.language ? OURS : null);
  useEffect(() => {
    let wanted = true;
    speech(language).then(
      (next) => wanted && speak(next),
      () => wanted && speak((now) => now ?? OURS),
    );
    return () => {
      wanted = false;
    };
  }, [language]);
  useEffect(() => {
    if (spoken) document.documentElement.lang = spoken.language;
  }, [spoken]);
  return spoken && { ...spoken, choose };
}

/// The page's own words.
export const useWords = (): Words => useLanguage().words;

/// Picks the sentence the server sent in both languages.
export function useSay(): (text: Text) => string {
  const { said } = useLanguage();
  return (text) => text[said];
}
