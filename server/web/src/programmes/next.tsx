/// The next version: written, checked, held against what is in force, tried, and put in force with a reason.
import { Button, TextField, Textarea } from "@navikt/ds-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { say as speak } from "../announce";
import { useRoomWords } from "../i18n";
import { Notice } from "../parts";
import { type Checked, type ProgrammePage, type Version, type Which, ask, programmeQuery, whyNot } from "./asks";
import { Changes } from "./lines";
import { TryOut } from "./whatif";

const LEAST_WORDS = 3;

interface WriteProps {
  page: ProgrammePage;
  now: Version;
  chosen: (text: string, found: Checked) => void;
  changed: () => void;
}

/// By its text: what is in force, changed, or a file from somewhere. What was checked is no longer what stands here once
/// that is changed, and is let go of.
export function Write({ page, now, chosen, changed }: WriteProps) {
  const words = useRoomWords();
  const P = words.programmes;
  const [text, setText] = useState(now.text ?? "");
  const check = useMutation({
    mutationFn: (said: string) => ask.check(page.name, said),
    networkMode: "always",
    onSuccess: (found, said) => {
      speak("polite", P.usable);
      chosen(said, found);
    },
  });
  const put = (said: string) => {
    setText(said);
    check.reset();
    changed();
  };
  return (
    <section className="card" aria-labelledby="write">
      <h2 id="write">{P.write}</h2>
      <p className="hint">{P.writeWhat}</p>
      <p className="actions">
        <label className="file-choice">
          {P.file}{" "}
          <input
            type="file"
            accept=".toml,text/plain"
            onChange={(event) => void event.target.files?.[0]?.text().then(put)}
          />
        </label>
      </p>
      <Textarea
        size="small"
        className="toml"
        label={P.text(page.name)}
        value={text}
        minRows={12}
        maxRows={24}
        spellCheck={false}
        lang="en"
        onChange={(event) => put(event.target.value)}
      />
      {check.isError && (
        <Notice>
          <p>{whyNot(check.error, words, P.overtaken)}</p>
        </Notice>
      )}
      <p className="actions">
        <Button size="small" loading={check.isPending} disabled={!text.trim()} onClick={() => check.mutate(text)}>
          {P.check}
        </Button>
      </p>
    </section>
  );
}

export interface Candidate {
  which: Which;
  version: Version;
  dropped: number;
}

/// What is to come in force: nothing is until the last button.
export function Next({ page, now, candidate, done }: { page: ProgrammePage; now: Version; candidate: Candidate; done: () => void }) {
  const words = useRoomWords();
  const P = words.programmes;
  const queries = useQueryClient();
  const { version, which } = candidate;
  const [reason, setReason] = useState("");
  const [lacks, setLacks] = useState(false);
  const put = useMutation({
    mutationFn: () => ask.put(page.name, { seen: page.seen, reason: reason.trim(), ...which }),
    networkMode: "always",
    onSuccess: (after) => {
      speak("polite", P.inForceNow(version.version));
      queries.setQueryData(programmeQuery(page.name).queryKey, after);
      void queries.invalidateQueries({ queryKey: ["programmes"] });
      done();
    },
  });
  const send = () => {
    setLacks(reason.trim().length < LEAST_WORDS);
    if (reason.trim().length >= LEAST_WORDS) put.mutate();
  };
  return (
    <>
      <section className="card" aria-labelledby="next">
        <h2 id="next">{P.next(now.version, version.version)}</h2>
        <Changes before={now} after={version} />
      </section>
      <TryOut key={version.digest} name={page.name} now={now} version={version} which={which} />
      <section className="card" aria-labelledby="put">
        <h2 id="put">{P.putTitle(version.version)}</h2>
        <p>{P.putWhat(page.patients)}</p>
        {candidate.dropped > 0 && <p>{P.dropped(candidate.dropped)}</p>}
        <TextField
          size="small"
          label={P.reason}
          description={P.reasonWhat}
          value={reason}
          maxLength={500}
          error={lacks ? P.reasonShort : undefined}
          onChange={(event) => setReason(event.target.value)}
        />
        {put.isError && (
          <Notice>
            <p>{whyNot(put.error, words, P.overtaken)}</p>
          </Notice>
        )}
        <p className="actions">
          <Button size="small" loading={put.isPending} onClick={send}>
            {P.put}
          </Button>
          <Button size="small" variant="tertiary" onClick={done}>
            {P.cancel}
          </Button>
        </p>
      </section>
    </>
  );
}
