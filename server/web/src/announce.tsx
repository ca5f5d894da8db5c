/// What is said aloud by a screen reader without moving anyone's focus: politely, or at once.
import { useEffect, useState } from "react";

type Manner = "polite" | "assertive";
let hear: ((manner: Manner, text: string) => void) | null = null;

export function say(manner: Manner, text: string): void {
  hear?.(manner, text);
}

const SILENT: Record<Manner, { text: string; count: number }> = {
  polite: { text: "", count: 0 },
  assertive: { text: "", count: 0 },
};

export function Announcer() {
  const [said, setSaid] = useState(SILENT);
  useEffect(() => {
    hear = (manner, text) => setSaid((old) => ({ ...old, [manner]: { text, count: old[manner].count + 1 } }));
    return () => {
      hear = null;
    };
  }, []);
  // A new key makes the same sentence, said twice, two sentences.
  return (
    <div className="aksel-sr-only">
      <div aria-live="polite" role="status">
        <span key={said.polite.count}>{said.polite.text}</span>
      </div>
      <div aria-live="assertive" role="alert">
        <span key={said.assertive.count}>{said.assertive.text}</span>
      </div>
    </div>
  );
}
