/// Single-letter shortcuts. They rest while somebody writes, while a dialog is open, with a modifier held, and when
/// they are switched off (WCAG 2.1.4).
import { Button } from "@navikt/ds-react";
import { useLayoutEffect, useRef } from "react";
import { useWords } from "./i18n";
import { useRemembered } from "./remember";

export type Keys = Partial<Record<string, () => void>>;

let enabled = true;

/// Which letters there are on this page, and the switch for all of them.
export function KeysHint({ keys }: { keys: string }) {
  const words = useWords();
  const [choice, choose] = useRemembered("hjemvakt.keys", ["on", "off"], "on");
  enabled = choice === "on";
  return (
    <p className="keys-hint">
      {enabled && keys}
      <Button size="xsmall" variant="tertiary" data-color="neutral" onClick={() => choose(enabled ? "off" : "on")}>
        {enabled ? words.shell.keysOff : words.shell.keysOn}
      </Button>
    </p>
  );
}

const writes = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");

export function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  // From the moment on that the page is seen, not a little later.
  useLayoutEffect(() => {
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
