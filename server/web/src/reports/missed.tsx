/// Marking, on the patient's page, that somebody got worse and no alarm told of it.
import { Button } from "@navikt/ds-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import * as format from "../format";
import { useWords } from "../i18n";
import { later } from "../later";
import { ask } from "../oncall/asks";

const MarkDialog = later(async () => (await import("./marking")).MarkDialog);
const UndoDialog = later(async () => (await import("./marking")).UndoDialog);

export function Missed({ patient, now }: { patient: string; now: number }) {
  const words = useWords();
  const marks = useQuery({ queryKey: ["missed", patient], queryFn: () => ask.missed(patient) });
  const [marking, mark] = useState(false);
  const [undoing, undo] = useState<string | null>(null);
  return (
    <section aria-labelledby="missed">
      <h2 id="missed">{words.screens.missed.title}</h2>
      <div className="card">
        <p className="hint">{words.screens.missed.what}</p>
        <ul className="lines">
          {marks.data?.map((one) => (
            <li key={one.id}>
              <b>{format.dateTime(one.t_ms)}</b>{" "}
              {one.undone_by === null ? <span>{one.note}</span> : <s>{one.note}</s>}
              <span className="hint">
                {one.undone_by === null
                  ? words.screens.missed.by(one.marked_by, format.when(one.marked_ms, now))
                  : words.screens.missed.undone(one.undone_by, one.undone_why ?? "")}
              </span>
              {one.undone_by === null && (
                <Button size="xsmall" variant="tertiary" onClick={() => undo(one.id)}>
                  {words.screens.missed.undo}
                  <span className="aksel-sr-only">: {format.dateTime(one.t_ms)}</span>
                </Button>
              )}
            </li>
          ))}
        </ul>
        <Button size="small" variant="secondary" onClick={() => mark(true)}>
          {words.screens.missed.mark}
        </Button>
      </div>
      {marking && <MarkDialog patient={patient} now={now} done={() => mark(false)} />}
      {undoing !== null && <UndoDialog patient={patient} id={undoing} done={() => undo(null)} />}
    </section>
  );
}
