/// The newest readings of a channel one by one: what was measured, when it was and when it came, by what and how well;
/// and two acts, that one is wrong and that it is not after all. What is wrong stays in the list, struck through.
import { Button, Radio, RadioGroup, Textarea } from "@navikt/ds-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { say as announce } from "../announce";
import { type InvalidateBody, type LatestReadings, type Measured, Refused, type Wrong, api } from "../api";
import * as format from "../format";
import { useSay, useWords } from "../i18n";
import { FailedToLoad } from "../parts";
import { shown } from "../questions";
import { Frame, text } from "./dialogs";

const LEAST_WHY = 3;

interface LatestProps {
  patient: string;
  channel: string;
  label: string;
  now: number;
}

export function Latest({ patient, channel, label, now }: LatestProps) {
  const words = useWords();
  const [open, setOpen] = useState(false);
  const [asking, ask] = useState<Measured | null>(null);
  const latest = useQuery({
    queryKey: ["curves", patient, "latest", channel],
    queryFn: () => api.latestReadings(patient, channel),
    enabled: open,
  });
  const done = () => ask(null);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{words.latest.title(label)}</summary>
      {latest.isError && !latest.data && <FailedToLoad error={latest.error} retry={() => void latest.refetch()} />}
      {latest.data?.readings.length === 0 && <p className="none">{words.latest.none}</p>}
      {latest.data && latest.data.readings.length > 0 && (
        <ul className="latest" aria-label={words.latest.title(label)}>
          {latest.data.readings.map((one) => (
            <Reading key={one.id} one={one} of={latest.data} now={now} ask={() => ask(one)} />
          ))}
        </ul>
      )}
      {latest.data && asking && asking.invalid === null && (
        <InvalidDialog one={asking} of={latest.data} patient={patient} now={now} done={done} />
      )}
      {latest.data && asking?.invalid && (
        <UndoDialog one={asking} of={latest.data} patient={patient} now={now} done={done} />
      )}
    </details>
  );
}

/// "82 %".
const value = (one: Measured, of: LatestReadings): string =>
  shown({ ...one, channel: of.channel, label: of.label, unit: of.unit });

/// "82 % 08:05", for a button or a dialog.
const named = (one: Measured, of: LatestReadings, now: number): string =>
  `${value(one, of)} ${format.when(one.t_ms, now)}`;

interface ReadingProps {
  one: Measured;
  of: LatestReadings;
  now: number;
}

function Reading({ one, of, now, ask }: ReadingProps & { ask: () => void }) {
  const words = useWords();
  const quality = one.status.map((word) => words.value.status[word] ?? word).join(", ");
  const when = format.when(one.t_ms, now);
  const { invalid } = one;
  return (
    <li className={invalid ? "is-invalid" : undefined}>
      <p>
        {invalid ? (
          <>
            <s>{value(one, of)}</s> <b>{words.latest.isInvalid}</b>
          </>
        ) : (
          <b>{value(one, of)}</b>
        )}{" "}
        <time>{one.late ? words.value.late(when, format.when(one.arrived_ms, now)) : when}</time>{" "}
        <span className="hint">{[words.latest.by(one.device), quality].filter(Boolean).join(", ")}</span>
        {invalid && (
          <span className="said">
            {words.latest.said(
              [words.latest.reasons[invalid.reason], invalid.note].filter(Boolean).join(": "),
              invalid.who,
              format.when(invalid.t_ms, now),
            )}
          </span>
        )}
      </p>
      <Button type="button" size="xsmall" variant="tertiary" data-color="neutral" onClick={ask}>
        {invalid ? words.latest.undo : words.latest.invalid}
        <span className="aksel-sr-only"> {named(one, of, now)}</span>
      </Button>
    </li>
  );
}

interface DialogProps extends ReadingProps {
  patient: string;
  done: () => void;
}

function InvalidDialog({ one, of, patient, now, done }: DialogProps) {
  const words = useWords();
  const say = useSay();
  const [missing, setMissing] = useState<"reason" | "note" | null>(null);
  const act = useCorrection(patient, (body: InvalidateBody) => api.invalidate(patient, body), words.latest.done, done);
  const mine = `${say(of.label)} ${value(one, of)}`;
  const all = [mine, ...one.also.map((other) => `${say(other.label)} ${shown(other)}`)].join(", ");
  const send = (form: FormData) => {
    const reason = text(form, "reason") as Wrong | "";
    const note = text(form, "note").trim();
    const lacks = reason === "" ? "reason" : reason === "other" && !note ? "note" : null;
    setMissing(lacks);
    if (lacks === null && reason) act.mutate({ reading: one.id, alone: text(form, "scope") === "alone", reason, note });
  };
  return (
    <Frame
      title={words.latest.dialog(named(one, of, now))}
      error={act.error}
      busy={act.isPending}
      submit={words.latest.confirm}
      onSubmit={send}
      done={done}
    >
      <RadioGroup
        size="small"
        name="reason"
        className="part"
        legend={words.latest.reason}
        error={missing === "reason" ? words.act.chooseMissing : undefined}
      >
        {(Object.keys(words.latest.reasons) as Wrong[]).map((reason) => (
          <Radio key={reason} value={reason}>
            {words.latest.reasons[reason]}
          </Radio>
        ))}
      </RadioGroup>
      {one.also.length > 0 && (
        <RadioGroup size="small" name="scope" className="part" legend={words.latest.scope} defaultValue="all">
          <Radio value="all">{words.latest.scopes.all(all)}</Radio>
          <Radio value="alone">{words.latest.scopes.alone(mine)}</Radio>
        </RadioGroup>
      )}
      <Textarea
        size="small"
        name="note"
        label={words.latest.note}
        description={words.latest.noteWhat}
        error={missing === "note" ? words.latest.noteMissing : undefined}
        maxLength={500}
        minRows={2}
      />
      <p className="hint">{words.latest.what}</p>
    </Frame>
  );
}

function UndoDialog({ one, of, patient, now, done }: DialogProps) {
  const words = useWords();
  const say = useSay();
  const [missing, setMissing] = useState(false);
  const correction = one.invalid?.correction ?? "";
  const act = useCorrection(
    patient,
    (why: string) => api.reinstate(patient, correction, why),
    words.latest.undone,
    done,
  );
  const send = (form: FormData) => {
    const why = text(form, "why").trim();
    setMissing(why.length < LEAST_WHY);
    if (why.length >= LEAST_WHY) act.mutate(why);
  };
  return (
    <Frame
      title={words.latest.undoDialog(named(one, of, now))}
      error={act.error}
      busy={act.isPending}
      submit={words.latest.undoDo}
      onSubmit={send}
      done={done}
    >
      {one.also.length > 0 && (
        <p>{words.latest.also(one.also.map((other) => `${say(other.label)} ${shown(other)}`).join(", "))}</p>
      )}
      <Textarea
        size="small"
        name="why"
        label={words.latest.why}
        description={words.latest.whyWhat}
        error={missing ? words.latest.whyMissing : undefined}
        maxLength={500}
        minRows={2}
      />
    </Frame>
  );
}

/// Says it to the server, and has everything that it may have changed asked for again, also where it was refused.
function useCorrection<Said>(patient: string, send: (said: Said) => Promise<unknown>, news: string, done: () => void) {
  const queries = useQueryClient();
  const anew = () => {
    for (const queryKey of [["curves", patient], ["patient", patient], ["worklist"]])
      void queries.invalidateQueries({ queryKey });
  };
  return useMutation({
    mutationFn: send,
    networkMode: "always",
    onSuccess: () => {
      announce("polite", news);
      anew();
      done();
    },
    onError: (error) => {
      if (!(error instanceof Refused)) return;
      anew();
      if (error.status === 401) void queries.invalidateQueries({ queryKey: ["session"] });
    },
  });
}
