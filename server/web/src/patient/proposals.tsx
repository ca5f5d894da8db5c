/// A new patient's own limits: that they are being learned, what is proposed, and who decided what.
import { Button } from "@navikt/ds-react";
import { useState } from "react";
import { explain } from "../acts";
import type { PatientPage, Proposal } from "../api";
import * as format from "../format";
import { useSay, useWords } from "../i18n";
import { later } from "../later";
import { Notice } from "../parts";
import { shown, useDecide } from "./decide";

const Change = later(async () => (await import("./changing")).Change);

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
