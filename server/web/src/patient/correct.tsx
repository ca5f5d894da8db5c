/// The two acts on a reading: that it is wrong, and that it is not after all.
import { Radio, RadioGroup, Textarea } from "@navikt/ds-react";
import { useState } from "react";
import { type InvalidateBody, type LatestReadings, type Measured, type Wrong, api } from "../api";
import { useSay, useWords } from "../i18n";
import { shown } from "../questions";
import { useSaying } from "../saying";
import { Frame, ReasonDialog, text } from "./dialogs";
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
  const act = useSaying(patient, (body: InvalidateBody) => api.invalidate(patient, body), words.latest.done, done);
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
  const correction = one.invalid?.correction ?? "";
  const act = useSaying(
    patient,
    (why: string) => api.reinstate(patient, correction, why),
    words.latest.undone,
    done,
  );
  const also = one.also.map((other) => `${say(other.label)} ${shown(other)}`).join(", ");
  return (
    <ReasonDialog
      title={words.latest.undoDialog(named(one, of, now))}
      what={also && words.latest.also(also)}
      label={words.latest.why}
      hint={words.latest.whyWhat}
      least={LEAST_WHY}
      tooShort={words.latest.whyMissing}
      error={act.error}
      busy={act.isPending}
      submit={words.latest.undoDo}
      give={act.mutate}
      done={done}
    />
  );
}
