/// One ladder as a form.
import { Button, Select, TextField } from "@navikt/ds-react";
import { useRoomWords, useSay } from "../i18n";
import type { Ladder, Ladders } from "../oncall/asks";
import { moved } from "../oncall/inorder";

interface Props {
  book: Ladders;
  ladder: Ladder;
  put: (ladder: Ladder) => void;
  remove: () => void;
}

const minutes = (seconds: number | null | undefined): string =>
  seconds == null ? "" : String(Math.round(seconds / 6) / 10).replace(".", ",");
const seconds = (text: string): number => Number(text.replace(",", ".")) * 60;

/// The last step has no wait of its own; one that is no longer the last gets what the ladder rests.
const ended = (ladder: Ladder, steps: Ladder["steps"]): Ladder => ({
  ...ladder,
  steps: steps.map((step, n) => ({ ...step, wait_s: n === steps.length - 1 ? null : (step.wait_s ?? ladder.repeat_s) })),
});

export function LadderForm({ book, ladder, put, remove }: Props) {
  const words = useRoomWords();
  const say = useSay();
  const set = (more: Partial<Ladder>) => put({ ...ladder, ...more });
  const step = (n: number, more: Partial<Ladder["steps"][number]>) =>
    put(ended(ladder, ladder.steps.map((one, at) => (at === n ? { ...one, ...more } : one))));
  const L = words.rota.ladders;
  const tells = (tell: string) => words.rota.roles[tell] ?? book.targets.find((one) => one.tell === tell)?.name ?? tell;
  return (
    <section className="card ladder-form" aria-label={ladder.name}>
      <div className="fields four">
        <TextField size="small" label={L.name} value={ladder.name} onChange={(event) => set({ name: event.target.value })} />
        <Select size="small" label={L.kind} value={ladder.kind} onChange={(event) => set({ kind: event.target.value as Ladder["kind"] })}>
          <option value="clinical">{words.kind.clinical}</option>
          <option value="technical">{words.kind.technical}</option>
        </Select>
        <Select
          size="small"
          label={L.priority}
          value={ladder.priority}
          onChange={(event) => set({ priority: event.target.value as Ladder["priority"] })}
        >
          {(["high", "medium", "low"] as const).map((one) => (
            <option key={one} value={one}>
              {words.priority[one]}
            </option>
          ))}
        </Select>
        <Select size="small" label={L.programme} value={ladder.programme ?? ""} onChange={(event) => set({ programme: event.target.value || null })}>
          <option value="">{L.any}</option>
          {book.programmes.map((one) => (
            <option key={one.id} value={one.id}>
              {say(one.title)}
            </option>
          ))}
        </Select>
        {book.organisations.length > 0 && (
          <Select size="small" label={L.organisation} value={ladder.organisation ?? ""} onChange={(event) => set({ organisation: event.target.value || null })}>
            <option value="">{L.any}</option>
            {book.organisations.map((one) => (
              <option key={one.id} value={one.id}>
                {one.name}
              </option>
            ))}
          </Select>
        )}
        <Select size="small" label={L.hours} value={ladder.hours ?? ""} onChange={(event) => set({ hours: (event.target.value || null) as Ladder["hours"] })}>
          <option value="">{L.any}</option>
          <option value="office">{L.hoursOf.office}</option>
          <option value="night">{L.hoursOf.night}</option>
        </Select>
        <Select size="small" label={L.language} value={ladder.language} onChange={(event) => set({ language: event.target.value as Ladder["language"] })}>
          <option value="nb">{L.languages.nb}</option>
          <option value="en">{L.languages.en}</option>
        </Select>
        <TextField size="small" inputMode="decimal" label={L.repeat} defaultValue={minutes(ladder.repeat_s)} onChange={(event) => set({ repeat_s: seconds(event.target.value) })} />
      </div>
      <ol className="steps" aria-label={L.steps}>
        {ladder.steps.map((one, n) => (
          <li key={`${n}/${ladder.steps.length}`}>
            <b>{L.step(n + 1)}</b>
            <Select size="small" label={`${L.tell}, ${L.step(n + 1)}`} value={one.tell} onChange={(event) => step(n, { tell: event.target.value, name: "" })}>
              {book.targets.map((each) => (
                <option key={each.tell} value={each.tell}>
                  {tells(each.tell)}
                </option>
              ))}
            </Select>
            {n < ladder.steps.length - 1 && (
              <TextField
                size="small"
                inputMode="decimal"
                label={`${L.wait}, ${L.step(n + 1)}`}
                defaultValue={minutes(one.wait_s)}
                onChange={(event) => step(n, { wait_s: seconds(event.target.value) })}
              />
            )}
            <span className="step-acts">
              <Button size="xsmall" variant="tertiary" disabled={n === 0} onClick={() => put(ended(ladder, moved(ladder.steps, n, n - 1)))}>
                {words.rota.up}
                <span className="aksel-sr-only">: {L.step(n + 1)}</span>
              </Button>
              <Button
                size="xsmall"
                variant="tertiary"
                disabled={ladder.steps.length === 1}
                onClick={() => put(ended(ladder, ladder.steps.filter((_, at) => at !== n)))}
              >
                {words.rota.remove}
                <span className="aksel-sr-only">: {L.step(n + 1)}</span>
              </Button>
            </span>
          </li>
        ))}
      </ol>
      <p className="actions">
        <Button
          size="small"
          variant="secondary"
          onClick={() => put(ended(ladder, [...ladder.steps, { tell: "administrator", wait_s: null, name: "" }]))}
        >
          {L.addStep}
        </Button>
        <Button size="small" variant="tertiary" onClick={remove}>
          {L.removeLadder}
        </Button>
      </p>
    </section>
  );
}
