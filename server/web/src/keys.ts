/// Single-letter shortcuts. They rest while somebody writes, while a dialog is open, with a modifier held, and when
/// they are switched off (WCAG 2.1.4).
import { useEffect, useRef } from "react";
import { useRemembered } from "./remember";

export type Keys = Partial<Record<string, () => void>>;

let enabled = true;

export function useKeysSwitch(): { on: boolean; toggle: () => void } {
  const [choice, choose] = useRemembered("hjemvakt.keys", ["on", "off"], "on");
  enabled = choice === "on";
  return { on: enabled, toggle: () => choose(enabled ? "off" : "on") };
}

const writes = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");

export function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (!enabled || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (writes(event.target) || document.querySelector("dialog[open]")) return;
      const act = latest.current[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
}
