/// What the home is asked and told now, and what became of the latest requests.
import type { PatientPage } from "../api";
import * as format from "../format";
import { useSay, useWords } from "../i18n";
import { asked } from "../wishes";

const OPEN = ["asked", "delivered"];

export function Wishes({ page, now }: { page: PatientPage; now: number }) {
  const words = useWords();
  const say = useSay();
  if (page.wishes.length === 0) return null;
  return (
    <section className="card" aria-labelledby="wishes">
      <h2 id="wishes">{words.wish.title}</h2>
      <ul className="wish-list">
        {page.wishes.map((wish) => {
          const state = (wish.why === "tell" ? words.wish.tellState : words.wish.state)[wish.state];
          const open = OPEN.includes(wish.state);
          return (
            <li key={wish.id} className={open ? "is-open" : undefined}>
              <p>
                {asked(wish, wish.label ? say(wish.label) : "", now, words, say)} – <b>{state}</b>
              </p>
              <p className="hint">
                {words.wish.asked(format.when(wish.asked_ms, now))}
                {wish.why !== "tell" && say(wish.text) && ` · ${words.wish.because(say(wish.text))}`}
              </p>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
