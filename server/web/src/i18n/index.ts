/// Which language the page speaks, kept between visits. Bokmål unless somebody chose otherwise.
import { createContext, useContext } from "react";
import type { Text } from "../api";
import { en } from "./en";
import { nb, type Words } from "./nb";

export type { Words };
export type Language = "nb" | "en";
export const WORDS: Record<Language, Words> = { nb, en };

export const LanguageContext = createContext<{ language: Language; choose: (language: Language) => void }>({
  language: "nb",
  choose: () => undefined,
});

export const useLanguage = () => useContext(LanguageContext);

/// The page's own words.
export const useWords = (): Words => WORDS[useLanguage().language];

/// Picks the sentence the server sent in both languages.
export function useSay(): (text: Text) => string {
  const { language } = useLanguage();
  return (text) => text[language];
}
