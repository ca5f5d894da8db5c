/// The ladders: which there are, how one is changed, who would be told, and what they were before.
import { Button, Select, TextField } from "@navikt/ds-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import * as format from "../format";
import { useRoomWords, useSay } from "../i18n";
import { type Ladder, type Ladders, type LaddersSave, ask, laddersQuery, useDo, useRole, whyNot } from "../oncall/asks";
import "../oncall/rota.css";
import { Fetched, Notice, PriorityTag, useTitle } from "../parts";
import { LadderForm } from "./form";
import { Preview } from "./preview";

export default function LaddersPage() {
  const words = useRoomWords();
  const book = useQuery(laddersQuery);
  useTitle(words.rota.ladders.title);
  return (
    <div className="page rota">
      <div className="page-head">
        <h1>{words.rota.ladders.title}</h1>
        <p className="lead">{words.rota.ladders.lead}</p>
      </div>
      <Fetched query={book}>{(data) => <Editor key={data.version} book={data} may={data.may_save} />}</Fetched>
    </div>
  );
}

const DAY = 7;

function Editor({ book, may }: { book: Ladders; may: boolean }) {
  const words = useRoomWords();
  const [said, setSaid] = useState<LaddersSave>({ version: book.version, ladders: book.ladders, office: book.office, note: "" });
  const [chosen, choose] = useState(0);
  const save = useDo(ask.saveLadders, ["ladders"], words.rota.saved);
  const change = (n: number, ladder: Ladder) =>
    setSaid({ ...said, ladders: said.ladders.map((one, at) => (at === n ? ladder : one)) });
  const ladder = said.ladders[chosen];
  const add = () => {
    if (!ladder) return;
    setSaid({ ...said, ladders: [...said.ladders, { ...ladder, name: `${ladder.name} 2` }] });
    choose(said.ladders.length);
  };
  return (
    <>
      <p className="hint">
        {words.rota.savedBy(book.saved_by || words.rota.file, format.dateTime(book.saved_ms))}
        {!may && ` ${words.rota.ladders.readOnly}`}
      </p>
      <div className="ladder-columns">
        <nav aria-label={words.rota.ladders.list}>
          <ul className="ladder-list">
            {said.ladders.map((one, n) => (
              <li key={n}>
                <button type="button" aria-current={n === chosen ? "true" : undefined} onClick={() => choose(n)}>
                  <PriorityTag alarm={one} />
                  <span>
                    <b>{one.name}</b>
                    <Narrow ladder={one} book={book} />
                  </span>
                </button>
              </li>
            ))}
          </ul>
          {may && (
            <Button size="small" variant="secondary" onClick={add}>
              {words.rota.ladders.copy}
            </Button>
          )}
        </nav>
        {ladder && (
          <div>
            {may ? (
              <LadderForm
                key={chosen}
                book={book}
                ladder={ladder}
                put={(one) => change(chosen, one)}
                remove={() => {
                  setSaid({ ...said, ladders: said.ladders.filter((_, at) => at !== chosen) });
                  choose(0);
                }}
              />
            ) : (
              <Shown ladder={ladder} book={book} />
            )}
            {may && <Office said={said} put={(office) => setSaid({ ...said, office })} />}
            {may && (
              <section className="card">
                <TextField
                  size="small"
                  label={words.rota.ladders.note}
                  value={said.note}
                  maxLength={500}
                  onChange={(event) => setSaid({ ...said, note: event.target.value })}
                />
                {save.isError && (
                  <Notice>
                    <p>{whyNot(save.error, words)}</p>
                  </Notice>
                )}
                <p className="actions">
                  <Button size="small" loading={save.isPending} onClick={() => save.mutate(said)}>
                    {words.rota.ladders.save}
                  </Button>
                </p>
              </section>
            )}
            <Preview key={`${chosen}/${book.version}`} book={book} draft={said} ladder={ladder} />
          </div>
        )}
      </div>
      <History newest={book.version} />
    </>
  );
}

/// What a ladder is for, beyond kind and priority.
function Narrow({ ladder, book }: { ladder: Ladder; book: Ladders }) {
  const words = useRoomWords();
  const say = useSay();
  const title = book.programmes.find((one) => one.id === ladder.programme)?.title;
  const parts = [
    words.kind[ladder.kind],
    title ? say(title) : ladder.programme,
    book.organisations.find((one) => one.id === ladder.organisation)?.name ?? ladder.organisation,
    ladder.hours && words.rota.ladders.hoursOf[ladder.hours],
  ];
  return <span className="hint">{parts.filter(Boolean).join(", ")}</span>;
}

function Shown({ ladder, book }: { ladder: Ladder; book: Ladders }) {
  const words = useRoomWords();
  const role = useRole();
  return (
    <section className="card" aria-label={ladder.name}>
      <h2>{ladder.name}</h2>
      <Narrow ladder={ladder} book={book} />
      <ol className="lines">
        {ladder.steps.map((step, n) => (
          <li key={n}>
            <b>{step.name || role(step.tell)}</b>
            <span>{words.rota.ladders.minutes(format.plain((step.wait_s ?? ladder.repeat_s) / 60))}</span>
          </li>
        ))}
      </ol>
      <p className="hint">{words.rota.ladders.again}</p>
    </section>
  );
}

function Office({ said, put }: { said: LaddersSave; put: (office: LaddersSave["office"]) => void }) {
  const words = useRoomWords();
  const { office } = said;
  return (
    <section className="card" aria-labelledby="office">
      <h2 id="office">{words.rota.ladders.office}</h2>
      <div className="fields four">
        <TextField size="small" type="time" label={words.rota.from} value={office.begins} onChange={(event) => put({ ...office, begins: event.target.value })} />
        <TextField size="small" type="time" label={words.rota.to} value={office.ends} onChange={(event) => put({ ...office, ends: event.target.value })} />
        <Select
          size="small"
          label={words.rota.editor.weekdays}
          value={String(office.weekdays.length)}
          onChange={(event) => put({ ...office, weekdays: Array.from({ length: Number(event.target.value) }, (_, n) => n) })}
        >
          {[5, 6, DAY].map((days) => (
            <option key={days} value={String(days)}>
              {words.rota.weekdays[0]} – {words.rota.weekdays[days - 1]}
            </option>
          ))}
        </Select>
      </div>
    </section>
  );
}

function History({ newest }: { newest: number }) {
  const words = useRoomWords();
  const history = useQuery({ queryKey: ["ladders", "history"], queryFn: ask.ladderHistory });
  return (
    <section className="card" aria-labelledby="history">
      <h2 id="history">{words.rota.ladders.history}</h2>
      <ol className="lines">
        {history.data?.map((one) => (
          <li key={one.version}>
            <b>{words.rota.ladders.version(one.version)}</b>
            <span>
              {format.dateTime(one.saved_ms)}, {one.saved_by || words.rota.file}
            </span>
            {one.version === newest && <b>{words.rota.ladders.inForce}</b>}
            {one.note && <span className="hint">{one.note}</span>}
            <details>
              <summary>
                {words.rota.ladders.from(one.ladders.length)}
                <span className="aksel-sr-only">, {words.rota.ladders.version(one.version)}</span>
              </summary>
              <ul>
                {one.ladders.map((each, n) => (
                  <li key={n}>
                    {each.name}: {each.steps.map((step) => step.name || (words.rota.roles[step.tell] ?? step.tell)).join(" → ")}
                  </li>
                ))}
              </ul>
            </details>
          </li>
        ))}
      </ol>
    </section>
  );
}
