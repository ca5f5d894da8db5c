/// A new patient's own limits: that they are being learned, what is proposed, and who decided what.
import { Button, TextField, Textarea } from "@navikt/ds-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { say } from "../announce";
import { explain } from "../acts";
import { type DecideBody, type PatientPage, type Proposal, Refused, api } from "../api";
import * as format from "../format";
import { useSay, useWords } from "../i18n";
import { Notice } from "../parts";
import { Frame, text } from "./dialogs";

const shown = (proposal: Proposal, value: number): string =>
  [format.number(value, proposal.decimals), proposal.unit].filter(Boolean).join(" ");

export function Proposals({ page, now }: { page: PatientPage; now: number }) {
  const words = useWords();
  const open = page.proposals.filter((proposal) => proposal.state === "open");
  const decided = page.proposals.filter((proposal) => proposal.state !== "open");
  if (page.startup === null && page.proposals.length === 0) return null;
  return (
    <section aria-labelledby="proposals">
      <h2 id="proposals">{words.proposal.title}</h2>
      {page.startup && <p className="card">{words.proposal.learning(format.when(page.startup.ends_ms, now))}</p>}
      {open.map((proposal) => (
        <Open key={proposal.id} proposal={proposal} patient={page.patient.id} />
      ))}
      {decided.length > 0 && (
        <ul className="card closed" aria-label={words.proposal.earlier}>
          {decided.map((proposal) => (
            <Decided key={proposal.id} proposal={proposal} now={now} />
          ))}
        </ul>
      )}
    </section>
  );
}

function useDecide(patient: string) {
  const queries = useQueryClient();
  const words = useWords();
  return useMutation({
    mutationFn: ({ proposal, body }: { proposal: Proposal; body: DecideBody }) =>
      api.decide(patient, proposal.id, body),
    networkMode: "always",
    onSuccess: () => {
      say("polite", words.proposal.saved);
      void queries.invalidateQueries({ queryKey: ["patient", patient] });
      void queries.invalidateQueries({ queryKey: ["worklist"] });
    },
    onError: (error) => {
      if (!(error instanceof Refused)) return;
      void queries.invalidateQueries({ queryKey: ["patient", patient] });
      if (error.status === 401) void queries.invalidateQueries({ queryKey: ["session"] });
    },
  });
}

function Open({ proposal, patient }: { proposal: Proposal; patient: string }) {
  const words = useWords();
  const inWords = useSay();
  const decide = useDecide(patient);
  const [changing, setChanging] = useState(false);
  const about = `proposal-${proposal.id}`;
  const send = (decision: "confirm" | "decline") =>
    decide.mutate({ proposal, body: { decision, seen: "open", note: "" } });
  return (
    <article className="card question-card" aria-labelledby={about}>
      <h3 id={about}>
        {words.proposal.what(
          inWords(proposal.label),
          inWords(proposal.side),
          shown(proposal, proposal.value),
          shown(proposal, proposal.usual),
        )}
      </h3>
      <p>{words.proposal.from(shown(proposal, proposal.median), proposal.readings, proposal.days)}</p>
      <div className="actions">
        <Button size="small" variant="secondary" disabled={decide.isPending} onClick={() => send("confirm")}>
          {words.proposal.confirm}
        </Button>
        <Button size="small" variant="secondary" disabled={decide.isPending} onClick={() => setChanging(true)}>
          {words.proposal.change}
        </Button>
        <Button size="small" variant="secondary" disabled={decide.isPending} onClick={() => send("decline")}>
          {words.proposal.decline}
        </Button>
      </div>
      {decide.isError && !changing && (
        <Notice>
          <p>{explain(decide.error, words)}</p>
        </Notice>
      )}
      <p className="hint">{words.proposal.nothing}</p>
      {changing && <Change proposal={proposal} patient={patient} done={() => setChanging(false)} />}
    </article>
  );
}

function Change({ proposal, patient, done }: { proposal: Proposal; patient: string; done: () => void }) {
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

function Decided({ proposal, now }: { proposal: Proposal; now: number }) {
  const words = useWords();
  const inWords = useSay();
  const value = proposal.set_to === null ? "" : ` ${shown(proposal, proposal.set_to)}`;
  const who = proposal.decided_by && proposal.decided_ms !== null;
  return (
    <li>
      <p>
        {inWords(proposal.label)}, {inWords(proposal.side)}: <b>{`${words.proposal.state[proposal.state]}${value}`}</b>
        {who && ` ${words.question.by(proposal.decided_by ?? "", format.when(proposal.decided_ms ?? 0, now))}`}
      </p>
      {proposal.note && <p className="outcome">{proposal.note}</p>}
    </li>
  );
}
