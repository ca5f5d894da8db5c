/// Marking, on the patient's page, that somebody got worse and no alarm told of it.
import { Button, Textarea } from "@navikt/ds-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import * as format from "../format";
import { useWords } from "../i18n";
import { ask, fromInput, toInput, useDo } from "../oncall/asks";
import { Frame, text } from "../patient/dialogs";
import { WhenField } from "../oncall/when";

const LEAST = 3;

export function Missed({ patient, now }: { patient: string; now: number }) {
  const words = useWords();
  const marks = useQuery({ queryKey: ["missed", patient], queryFn: () => ask.missed(patient) });
  const [marking, mark] = useState(false);
  const [undoing, undo] = useState<string | null>(null);
  return (
    <section aria-labelledby="missed">
      <h2 id="missed">{words.rota.missed.title}</h2>
      <div className="card">
        <p className="hint">{words.rota.missed.what}</p>
        <ul className="lines">
          {marks.data?.map((one) => (
            <li key={one.id}>
              <b>{format.dateTime(one.t_ms)}</b>{" "}
              {one.undone_by === null ? <span>{one.note}</span> : <s>{one.note}</s>}
              <span className="hint">
                {one.undone_by === null
                  ? words.rota.missed.by(one.marked_by, format.when(one.marked_ms, now))
                  : words.rota.missed.undone(one.undone_by, one.undone_why ?? "")}
              </span>
              {one.undone_by === null && (
                <Button size="xsmall" variant="tertiary" onClick={() => undo(one.id)}>
                  {words.rota.missed.undo}
                  <span className="aksel-sr-only">: {format.dateTime(one.t_ms)}</span>
                </Button>
              )}
            </li>
          ))}
        </ul>
        <Button size="small" variant="secondary" onClick={() => mark(true)}>
          {words.rota.missed.mark}
        </Button>
      </div>
      {marking && <MarkDialog patient={patient} now={now} done={() => mark(false)} />}
      {undoing !== null && <UndoDialog patient={patient} id={undoing} done={() => undo(null)} />}
    </section>
  );
}

function MarkDialog({ patient, now, done }: { patient: string; now: number; done: () => void }) {
  const words = useWords();
  const [short, setShort] = useState(false);
  const act = useDo((body: { t_ms: number; note: string }) => ask.markMissed(patient, body), ["missed"], words.rota.missed.marked);
  const send = (form: FormData) => {
    const note = text(form, "note").trim();
    setShort(note.length < LEAST);
    if (note.length >= LEAST) act.mutate({ t_ms: fromInput(text(form, "at")), note }, { onSuccess: done });
  };
  return (
    <Frame
      title={words.rota.missed.mark}
      error={act.error}
      busy={act.isPending}
      submit={words.rota.save}
      onSubmit={send}
      done={done}
    >
      <WhenField type="datetime-local" name="at" label={words.rota.missed.when} defaultValue={toInput(now)} />
      <Textarea size="small" name="note" label={words.rota.missed.note} maxLength={1000} error={short && words.rota.missed.short} />
    </Frame>
  );
}

function UndoDialog({ patient, id, done }: { patient: string; id: string; done: () => void }) {
  const words = useWords();
  const act = useDo((why: string) => ask.undoMissed(patient, id, why), ["missed"], words.rota.saved);
  return (
    <Frame
      title={words.rota.missed.undo}
      error={act.error}
      busy={act.isPending}
      submit={words.rota.missed.undo}
      onSubmit={(form) => act.mutate(text(form, "why"), { onSuccess: done })}
      done={done}
    >
      <Textarea size="small" name="why" label={words.rota.missed.undoWhy} maxLength={500} />
    </Frame>
  );
}
