/// The bar of filters over the worklist, and, while one hides anybody, what it hides.
import { Button } from "@navikt/ds-react";
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { explain } from "../acts";
import { say } from "../announce";
import type { Wanted, WorklistRow } from "../api";
import { useSay, useWords } from "../i18n";
import { Notice, PriorityIcon } from "../parts";
import { EVERYBODY, type Filtered, choices, narrows } from "./filter";
import { useFilter } from "./filtering";
import "./filters.css";

export const SEARCH_ID = "search-by-name";
const WHOSE = ["all", "mine", "unclaimed"] as const;

const same = (a: Wanted, b: Wanted): boolean => JSON.stringify({ ...EVERYBODY, ...a }) === JSON.stringify({ ...EVERYBODY, ...b });

export function FilterBar({ rows, found }: { rows: readonly WorklistRow[]; found: Filtered }) {
  const words = useWords().screens.filter;
  const inWords = useSay();
  const { wanted, saved, choose, save, remove } = useFilter();
  const { organisations, places, programmes } = choices(rows);
  const now = { ...EVERYBODY, ...wanted };
  return (
    <div className="filters" role="search" aria-label={words.title}>
      <div className="filter-line">
        <div className="segments" role="group" aria-label={words.whoseWhat}>
          {WHOSE.map((whose) => (
            <button
              key={whose}
              type="button"
              aria-pressed={(wanted.whose ?? "all") === whose}
              onClick={() => choose({ ...now, whose })}
            >
              {words.whose[whose]}
            </button>
          ))}
        </div>
        <Pick
          label={words.organisations}
          options={organisations.map((name) => [name, name])}
          chosen={now.organisations ?? []}
          choose={(chosen) => choose({ ...now, organisations: chosen })}
        />
        <Pick
          label={words.places}
          options={places.map((place) => [place, place])}
          chosen={now.places ?? []}
          choose={(chosen) => choose({ ...now, places: chosen })}
        />
        <Pick
          label={words.programmes}
          options={programmes.map((one) => [one.nb, inWords(one)])}
          chosen={now.programmes ?? []}
          choose={(chosen) => choose({ ...now, programmes: chosen })}
        />
        <input
          id={SEARCH_ID}
          type="search"
          className="filter-search"
          aria-label={words.name}
          placeholder={words.name}
          maxLength={100}
          value={now.text}
          onInput={(event) => choose({ ...now, text: event.currentTarget.value })}
        />
        {saved.length > 0 && (
          <div className="saved" role="group" aria-label={words.mine}>
            {saved.map((one) => (
              <span key={one.name} className="saved-one">
                <button
                  type="button"
                  aria-pressed={same(one.wanted, wanted)}
                  onClick={() => choose(same(one.wanted, wanted) ? EVERYBODY : one.wanted)}
                >
                  {one.name}
                </button>
                {same(one.wanted, wanted) && (
                  <button
                    type="button"
                    className="saved-remove"
                    aria-label={words.remove(one.name)}
                    onClick={() => remove.mutate(one.name)}
                  >
                    ×
                  </button>
                )}
              </span>
            ))}
          </div>
        )}
        {narrows(wanted) && !saved.some((one) => same(one.wanted, wanted)) && (
          <Save busy={save.isPending} save={(name) => save.mutate(name, { onSuccess: () => say("polite", words.saved) })} />
        )}
      </div>
      {(save.isError || remove.isError) && <Failed error={save.error ?? remove.error} />}
      {found.hidden > 0 && <Hidden found={found} clear={() => choose(EVERYBODY)} />}
    </div>
  );
}

function Failed({ error }: { error: unknown }) {
  const words = useWords();
  return (
    <Notice>
      <p>{explain(error, words)}</p>
    </Notice>
  );
}

/// A filter that hides an alarm says so for as long as it does.
function Hidden({ found, clear }: { found: Filtered; clear: () => void }) {
  const words = useWords().screens.filter;
  return (
    <p className="filter-hides" role="status">
      {found.high > 0 && <PriorityIcon priority="high" />}
      <span>
        {words.hides(found.hidden)}
        {found.waiting > 0 && (
          <>
            : <b>{words.hidesAlarms(found.waiting, found.high)}</b>
          </>
        )}
        .
      </span>
      <Button size="xsmall" variant="secondary" data-color="neutral" onClick={clear}>
        {words.clear}
      </Button>
    </p>
  );
}

/// A list of things to tick, which opens under its name.
function Pick({
  label,
  options,
  chosen,
  choose,
}: {
  label: string;
  options: [value: string, shown: string][];
  chosen: readonly string[];
  choose: (chosen: string[]) => void;
}) {
  const words = useWords().screens.filter;
  const named = options.filter(([value]) => chosen.includes(value)).map(([, shown]) => shown);
  if (options.length < 2 && chosen.length === 0) return null;
  return (
    <Unfolding summary={named.length > 0 ? words.some(label, named.join(", ")) : label} marked={named.length > 0}>
      <fieldset>
        <legend className="aksel-sr-only">{label}</legend>
        {options.map(([value, shown]) => (
          <label key={value}>
            <input
              type="checkbox"
              checked={chosen.includes(value)}
              onChange={(event) =>
                choose(event.currentTarget.checked ? [...chosen, value] : chosen.filter((one) => one !== value))
              }
            />
            {shown}
          </label>
        ))}
      </fieldset>
    </Unfolding>
  );
}

function Save({ busy, save }: { busy: boolean; save: (name: string) => void }) {
  const words = useWords().screens.filter;
  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name") ?? "").trim();
    if (name) save(name);
  };
  return (
    <Unfolding summary={words.save} marked={false}>
      <form onSubmit={send}>
        <label className="save-name">
          {words.saveName}
          <input name="name" className="filter-search" maxLength={40} autoComplete="off" />
        </label>
        <Button type="submit" size="small" loading={busy}>
          {words.saveDo}
        </Button>
      </form>
    </Unfolding>
  );
}

/// Closes on Escape and on a click elsewhere, as a menu does.
function Unfolding({ summary, marked, children }: { summary: string; marked: boolean; children: ReactNode }) {
  const box = useRef<HTMLDetailsElement>(null);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    if (!open) return;
    const away = (event: Event) => {
      const inside = event.target instanceof Node && box.current?.contains(event.target);
      if (event instanceof KeyboardEvent ? event.key !== "Escape" : inside) return;
      if (box.current) box.current.open = false;
      if (event instanceof KeyboardEvent) box.current?.querySelector("summary")?.focus();
    };
    document.addEventListener("pointerdown", away);
    document.addEventListener("keydown", away);
    return () => {
      document.removeEventListener("pointerdown", away);
      document.removeEventListener("keydown", away);
    };
  }, [open]);
  return (
    <details ref={box} className="pick" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className={marked ? "is-marked" : undefined}>{summary}</summary>
      <div className="pick-box">{children}</div>
    </details>
  );
}
