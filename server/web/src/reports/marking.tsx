/// Marking that somebody got worse and no alarm told of it, and taking that back.
import { Textarea } from "@navikt/ds-react";
import { useState } from "react";
import { useWords } from "../i18n";
import { ask, fromInput, toInput, useDo } from "../oncall/asks";
import { WhenField } from "../oncall/when";
import { Frame, text } from "../patient/dialogs";

const LEAST = 3;

export function MarkDialog({ patient, now, done }: { patient: string; now: number; done: () => void }) {
  const words = useWords();
  const [short, setShort] = useState(false);
  const act = useDo((body: { t_ms: number; note: string }) => ask.markMissed(patient, body), ["missed"], words.screens.missed.marked);
  const send = (form: FormData) => {
    const note = text(form, "note").trim();
    setShort(note.length < LEAST);
    if (note.length >= LEAST) act.mutate({ t_ms: fromInput(text(form, "at")), note }, { onSuccess: done });
  };
  return (
    <Frame
      title={words.screens.missed.mark}
      error={act.error}
      busy={act.isPending}
      submit={words.screens.missed.save}
      onSubmit={send}
      done={done}
    >
      <WhenField type="datetime-local" name="at" label={words.screens.missed.when} defaultValue={toInput(now)} />
      <Textarea size="small" name="note" label={words.screens.missed.note} maxLength={1000} error={short && words.screens.missed.short} />
    </Frame>
  );
}

export function UndoDialog({ patient, id, done }: { patient: string; id: string; done: () => void }) {
  const words = useWords();
  const act = useDo((why: string) => ask.undoMissed(patient, id, why), ["missed"], words.screens.missed.taken);
  return (
    <Frame
      title={words.screens.missed.undo}
      error={act.error}
      busy={act.isPending}
      submit={words.screens.missed.undo}
      onSubmit={(form) => act.mutate(text(form, "why"), { onSuccess: done })}
      done={done}
    >
      <Textarea size="small" name="why" label={words.screens.missed.undoWhy} maxLength={500} />
    </Frame>
  );
}
