/// Who would be told, and when, if an alarm opened at some moment and nobody acted.
import { Button, Select } from "@navikt/ds-react";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useNow } from "../clock";
import * as format from "../format";
import { useRoomWords, useSay } from "../i18n";
import { type Ladder, type Ladders, type LaddersSave, ask, fromInput, toInput, whyNot } from "../oncall/asks";
import { Notice } from "../parts";
import { WhenField } from "../oncall/when";

export function Preview({ book, draft, ladder }: { book: Ladders; draft: LaddersSave; ladder: Ladder }) {
  const words = useRoomWords();
  const say = useSay();
  const now = useNow(60_000);
  const [programme, setProgramme] = useState(ladder.programme ?? "");
  const [at, setAt] = useState(() => toInput(now));
  const L = words.rota.ladders;
  const act = useMutation({ mutationFn: ask.preview, networkMode: "always" });
  const send = (event: FormEvent) => {
    event.preventDefault();
    act.mutate({
      kind: ladder.kind,
      priority: ladder.priority,
      programme: programme || null,
      organisation: ladder.organisation ?? null,
      t_ms: fromInput(at),
      draft,
    });
  };
  const after = (seconds: number) => (seconds === 0 ? "0 min" : words.length(format.span(seconds * 1000)));
  return (
    <section className="card preview" aria-labelledby="preview">
      <h2 id="preview">{L.preview}</h2>
      <p className="hint">{L.previewWhat}</p>
      <form onSubmit={send} noValidate className="fields four">
        <Select size="small" label={L.programme} value={programme} onChange={(event) => setProgramme(event.target.value)}>
          <option value="">{L.any}</option>
          {book.programmes.map((one) => (
            <option key={one.id} value={one.id}>
              {say(one.title)}
            </option>
          ))}
        </Select>
        <WhenField type="datetime-local" label={L.at} value={at} onChange={(event) => setAt(event.target.value)} />
        <Button type="submit" size="small" variant="secondary" loading={act.isPending}>
          {L.previewDo}
        </Button>
      </form>
      {act.isError && (
        <Notice>
          <p>{whyNot(act.error, words)}</p>
        </Notice>
      )}
      {act.data && (
        <div role="status">
          <p>{L.uses(act.data.ladder, L.hoursOf[act.data.hours] ?? "")}</p>
          <table className="table" aria-label={L.preview}>
            <thead>
              <tr>
                <th scope="col">{L.after}</th>
                <th scope="col">{L.when}</th>
                <th scope="col">{L.tell}</th>
                <th scope="col">{L.who}</th>
              </tr>
            </thead>
            <tbody>
              {act.data.told
                .filter((one) => one.round === 0)
                .map((one) => (
                  <tr key={`${one.round}/${one.step}`}>
                    <td className="num-left">{after(one.after_s)}</td>
                    <td>{format.when(one.t_ms, now)}</td>
                    <td>{one.last_resort ? L.lastResort : one.name || (words.rota.roles[one.tell] ?? one.tell)}</td>
                    <td>{one.told.length > 0 ? <b>{one.told.join(", ")}</b> : <i>{L.skipped}</i>}</td>
                  </tr>
                ))}
            </tbody>
          </table>
          <p className="hint">{L.again}</p>
        </div>
      )}
    </section>
  );
}
