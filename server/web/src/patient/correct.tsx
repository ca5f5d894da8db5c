/// The two acts on a reading: that it is wrong, and that it is not after all.
import { Radio, RadioGroup, Textarea } from "@navikt/ds-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { say as announce } from "../announce";
import { type InvalidateBody, type LatestReadings, type Measured, Refused, type Wrong, api } from "../api";
import { useSay, useWords } from "../i18n";
import { shown } from "../questions";
import { Frame, text } from "./dialogs";
import { named, value } from "./reading";

const LEAST_WHY = 3;

interface DialogProps {
  one: Measured;
  of: LatestReadings;
  now: number;
  patient: string;
  done: () => void;
}

export function InvalidDialog({ one, of, patient, now, done }: DialogProps) {
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

export function UndoDialog({ one, of, patient, now, done }: DialogProps) {
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
