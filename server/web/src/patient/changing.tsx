/// Another limit than the one proposed.
import { TextField, Textarea } from "@navikt/ds-react";
import { useState } from "react";
import type { DecideBody, Proposal } from "../api";
import * as format from "../format";
import { useSay, useWords } from "../i18n";
import { useDecide } from "./decide";
import { Frame, text } from "./dialogs";

export function Change({ proposal, patient, done }: { proposal: Proposal; patient: string; done: () => void }) {
  const words = useWords();
  const inWords = useSay();
  const decide = useDecide(patient);
  const [wrong, setWrong] = useState(false);
  const send = (form: FormData) => {
    const typed = text(form, "value").trim().replace(",", ".");
    const value = Number(typed);
    setWrong(typed === "" || !Number.isFinite(value));
    if (typed === "" || !Number.isFinite(value)) return;
    const body: DecideBody = { decision: "change", seen: "open", value, note: text(form, "note") };
    decide.mutate({ proposal, body }, { onSuccess: done });
  };
  return (
    <Frame
      title={words.proposal.dialog(inWords(proposal.label), inWords(proposal.side))}
      error={decide.error}
      busy={decide.isPending}
      submit={words.proposal.save}
      onSubmit={send}
      done={done}
    >
      <TextField
        size="small"
        name="value"
        inputMode="decimal"
        htmlSize={8}
        label={words.proposal.value(proposal.unit)}
        defaultValue={format.number(proposal.value, proposal.decimals)}
        error={wrong ? words.proposal.valueWrong : undefined}
      />
      <Textarea size="small" name="note" label={words.proposal.note} description={words.proposal.noteWhat} maxLength={500} />
    </Frame>
  );
}
