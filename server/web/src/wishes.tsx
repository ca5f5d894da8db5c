/// What a patient has been asked to measure sooner, in a line: in the list, and on the patient's page.
import { BellIcon } from "@navikt/aksel-icons";
import type { Wish } from "./api";
import * as format from "./format";
import { type Words, useSay, useWords } from "./i18n";

/// "Bedt om ny måling: Systolisk trykk, før 14:00".
export function wished(wish: Wish, now: number, words: Words, say: ReturnType<typeof useSay>): string {
  if (wish.why === "tell") return words.wish.tell(say(wish.text));
  const what = wish.label ? say(wish.label) : "";
  return (wish.why === "again" ? words.wish.again : words.wish.short)(what, format.when(wish.by_ms, now));
}

export function WishLines({ wishes, now }: { wishes: readonly Wish[]; now: number }) {
  const words = useWords();
  const say = useSay();
  if (wishes.length === 0) return null;
  return (
    <ul className="wishes" aria-label={words.wish.title}>
      {wishes.map((wish) => (
        <li key={wish.id}>
          <BellIcon aria-hidden /> {wished(wish, now, words, say)}
          {wish.state === "asked" && ` (${words.wish.notShown})`}
        </li>
      ))}
    </ul>
  );
}
