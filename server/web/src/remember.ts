/// A choice that outlives the visit (language, sound, shortcuts). A browser that refuses storage only forgets.
import { useState } from "react";

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Private browsing: the choice holds until the page closes.
  }
}

export function useRemembered<T extends string>(key: string, choices: readonly T[], start: T): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => choices.find((choice) => choice === read(key)) ?? start);
  const choose = (next: T) => {
    write(key, next);
    setValue(next);
  };
  return [value, choose];
}
