/// All shortcuts in one place, called up by `?`.
import { useEffect, useRef, useState } from "react";
import { useWords } from "../i18n";
import { useKeys } from "../keys";

const DEEDS = { a: "a", v: "v", z: "z", h: "h", e: "e", c: "c", u: "u" } as const;
const PAGES = {
  list: { j: "j", k: "k", ...DEEDS, enter: "Enter", slash: "/" },
  patient: { ...DEEDS, r: "r", n: "n" },
} as const;

export function KeysHelp() {
  const words = useWords().screens.keys;
  const box = useRef<HTMLDialogElement>(null);
  const [open, setOpen] = useState(false);
  useKeys({ "?": () => setOpen(true) });
  useEffect(() => {
    if (open) box.current?.showModal();
  }, [open]);
  if (!open) return null;
  return (
    <dialog ref={box} className="keys-help" aria-labelledby="keys-help" onClose={() => setOpen(false)}>
      <h2 id="keys-help">{words.title}</h2>
      <div className="keys-pages">
        {(Object.keys(PAGES) as (keyof typeof PAGES)[]).map((page) => (
          <section key={page} aria-labelledby={`keys-${page}`}>
            <h3 id={`keys-${page}`}>{words[page]}</h3>
            <dl>
              {Object.entries(PAGES[page]).map(([name, key]) => (
                <div key={name}>
                  <dt>
                    <kbd>{key}</kbd>
                  </dt>
                  <dd>{words.does[name as keyof typeof words.does]}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <form method="dialog">
        <button type="submit">{words.close}</button>
      </form>
    </dialog>
  );
}
