/// Which language the page speaks, kept between visits. Bokmål unless somebody chose otherwise.
import { createContext, useContext, useEffect, useState } from "react";
import type { Text } from "../api";
import { useRemembered } from "../remember";
import { LANGUAGES, OURS, type Speech, speech } from "./language";
import type { Words } from "./nb";
import type { RoomWords } from "./rooms.nb";

export type { Words };
export type AllWords = Words & RoomWords;

interface Spoken extends Speech {
  choose: (language: string) => void;
}

export const LanguageContext = createContext<Spoken | null>(null);

export function useLanguage(): Spoken {
  const spoken = useContext(LanguageContext);
  if (!spoken) throw new Error("nothing is spoken here: put it inside LanguageContext, as App does");
  return spoken;
}

const AGAIN_MS = 3_000;

/// What is spoken now, null before the first has come; and with the rooms' words by language where those have come.
let now: Speech | null = null;
const whole = new Map<string, AllWords>();
let wanted = false;

async function fetchInto(speech: Speech): Promise<void> {
  if (!whole.has(speech.language)) whole.set(speech.language, { ...speech.words, ...(await speech.rooms()) });
}

/// A room is on its way: its words come beside it, and from then on with each language that is chosen.
export function fetchRoomWords(): Promise<void> {
  wanted = true;
  return now ? fetchInto(now) : Promise.resolve();
}

/// The language somebody chose; until it has come the one before it, and null before the first.
export function useSpoken(): Spoken | null {
  const [language, choose] = useRemembered("hjemvakt.language", LANGUAGES.map((one) => one.code), OURS);
  const [spoken, speak] = useState<Speech | null>(null);
  useEffect(() => {
    let current = true;
    const turn = (next: Speech) => {
      if (!current) return;
      now = next;
      speak(next);
    };
    let again: ReturnType<typeof setTimeout> | undefined;
    const come = async () => {
      const next = await speech(language);
      if (wanted) await fetchInto(next);
      return next;
    };
    // Where it cannot be had, the one before it goes on; before the first there is nothing to show, so it is asked again.
    const fetchIt = () => {
      come().then(turn, () => {
        if (now) turn(now);
        else if (current) again = setTimeout(fetchIt, AGAIN_MS);
      });
    };
    fetchIt();
    return () => {
      current = false;
      clearTimeout(again);
    };
  }, [language]);
  useEffect(() => {
    if (spoken) document.documentElement.lang = spoken.language;
  }, [spoken]);
  return spoken && { ...spoken, choose };
}

/// The words that every page may want.
export const useWords = (): Words => useLanguage().words;

/// With those of the rooms; for what `room` in `app.tsx` brings.
export function useRoomWords(): AllWords {
  const { language } = useLanguage();
  const words = whole.get(language);
  if (!words) throw new Error("the words of the rooms are not here: load this page by `room`, in app.tsx");
  return words;
}

/// Picks the sentence the server sent in both languages.
export function useSay(): (text: Text) => string {
  const { said } = useLanguage();
  return (text) => text[said];
}
