/// What a patient has been asked to measure sooner, a line for each moment: in the list, and on the patient's page.
import { BellIcon } from "@navikt/aksel-icons";
import type { Wish } from "./api";
import * as format from "./format";
import { type Words, useSay, useWords } from "./i18n";

/// "Bedt om ny måling: SpO₂, puls, før 14:00": what is asked for the same reason by the same time stands together.
export function wished(
  wishes: readonly Wish[], now: number, words: Words, say: ReturnType<typeof useSay>,
): { id: string; text: string; shown: boolean }[] {
  const lines = new Map<string, { first: Wish; labels: string[] }>();
  for (const wish of wishes) {
    const alike = wish.why === "tell" ? wish.id : `${wish.why} ${wish.state} ${format.when(wish.by_ms, now)}`;
    const line = lines.get(alike) ?? { first: wish, labels: [] };
    const label = wish.label ? say(wish.label) : "";
    if (!line.labels.includes(label)) line.labels.push(label);
    lines.set(alike, line);
  }
  return [...lines.values()].map(({ first, labels }) => ({
    id: first.id,
    text: asked(first, labels.join(", "), now, words, say),
    shown: first.state !== "asked",
  }));
}

/// One of them, as a sentence about `what`.
export function asked(wish: Wish, what: string, now: number, words: Words, say: ReturnType<typeof useSay>): string {
  if (wish.why === "tell") return words.wish.tell(say(wish.text));
  return (wish.why === "again" ? words.wish.again : words.wish.short)(what, format.when(wish.by_ms, now));
}

export function WishLines({ wishes, now }: { wishes: readonly Wish[]; now: number }) {
  const words = useWords();
  const say = useSay();
  if (wishes.length === 0) return null;
  return (
    <ul className="wishes" aria-label={words.wish.title}>
      {wished(wishes, now, words, say).map(({ id, text, shown }) => (
        <li key={id}>
          <BellIcon aria-hidden /> {text}
          {!shown && ` (${words.wish.notShown})`}
        </li>
      ))}
    </ul>
  );
}
