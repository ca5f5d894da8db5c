/// Giving a device to a patient and taking it back: first what and why, then what follows, then the deed.
import { Radio, RadioGroup, Select, TextField, Textarea } from "@navikt/ds-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { say } from "../announce";
import { type Follows, type Holder, api } from "../api";
import { nowMs } from "../clock";
import * as format from "../format";
import { useRoomWords } from "../i18n";
import { Frame, text } from "../patient/dialogs";
import { worklistQuery } from "../queries";

const LEAST_WHY = 3;

interface Filled {
  patient: string;
  slot: string;
  /// None: now.
  at_ms: number | null;
  why: string;
}

type Field = "patient" | "slot" | "at" | "why";

/// What stands in the form, and what of it cannot be. A time that is filled in is this computer's own: Norway's.
function read(form: FormData): { filled: Filled; wrong: Set<Field> } {
  const at_ms = text(form, "when") === "earlier" ? new Date(text(form, "at")).getTime() : null;
  const filled = { patient: text(form, "patient"), slot: text(form, "slot").trim(), at_ms, why: text(form, "why").trim() };
  const wrong = new Set<Field>();
  if (form.has("patient") && filled.patient === "") wrong.add("patient");
  if (filled.slot !== "" && !(/^\d{1,3}$/.test(filled.slot) && Number(filled.slot) <= 254)) wrong.add("slot");
  if (at_ms !== null && !(at_ms <= nowMs())) wrong.add("at");
  if (filled.why.length < LEAST_WHY) wrong.add("why");
  return { filled, wrong };
}

interface StepsProps {
  title: string;
  device: string;
  deed: "give" | "takeBack";
  send: (filled: Filled, sure: boolean) => Promise<Follows>;
  /// What will be so, said with the name and the moment.
  sure: (filled: Filled, at: string) => string;
  patients?: { id: string; shown: string }[];
  done: () => void;
}

/// The two steps, alike for both deeds.
function Steps({ title, device, deed, send, sure, patients, done }: StepsProps) {
  const words = useRoomWords().holders;
  const queries = useQueryClient();
  const [wrong, setWrong] = useState<ReadonlySet<Field>>(new Set());
  const [filled, fill] = useState<Filled | null>(null);
  const ask = useMutation({
    mutationFn: (one: Filled) => send(one, false),
    networkMode: "always",
    onSuccess: (_, one) => fill(one),
  });
  const act = useMutation({
    mutationFn: (one: Filled) => send(one, true),
    networkMode: "always",
    onSuccess: () => {
      say("polite", words.done[deed](device));
      for (const key of ["holders", "fleet", "patient"]) void queries.invalidateQueries({ queryKey: [key] });
      done();
    },
  });
  const submit = (form: FormData) => {
    if (filled) {
      // What was looked at is what is done: "now" stays the moment that was shown.
      act.mutate({ ...filled, at_ms: ask.data?.at_ms ?? filled.at_ms });
      return;
    }
    const { filled: next, wrong: found } = read(form);
    setWrong(found);
    if (found.size === 0) ask.mutate(next);
  };
  const error = (field: Field) => (wrong.has(field) ? words.wrong[field] : undefined);
  return (
    <Frame
      title={title}
      error={act.error ?? ask.error}
      busy={ask.isPending || act.isPending}
      submit={filled ? words[`${deed}Do`] : words.next}
      onSubmit={submit}
      back={filled ? () => fill(null) : undefined}
      done={done}
    >
      {filled && ask.data ? (
        <WhatFollows says={sure(filled, format.dateTime(ask.data.at_ms))} follows={ask.data} />
      ) : (
        <>
          {patients && (
            <Select size="small" className="part" name="patient" label={words.who} error={error("patient")} defaultValue="">
              <option value="">{words.choose}</option>
              {patients.map(({ id, shown }) => (
                <option key={id} value={id}>
                  {shown}
                </option>
              ))}
            </Select>
          )}
          <When error={error("at")} />
          {patients && (
            <TextField
              size="small"
              className="part"
              name="slot"
              inputMode="numeric"
              label={words.slot}
              description={words.slotWhat}
              error={error("slot")}
            />
          )}
          <Textarea
            size="small"
            name="why"
            label={words.why}
            description={words.whyWhat}
            error={error("why")}
            maxLength={500}
            minRows={2}
          />
        </>
      )}
    </Frame>
  );
}

function When({ error }: { error: string | undefined }) {
  const words = useRoomWords().holders;
  const [when, setWhen] = useState("now");
  return (
    <>
      <RadioGroup size="small" className="part" name="when" legend={words.when} value={when} onChange={setWhen}>
        <Radio value="now">{words.now}</Radio>
        <Radio value="earlier">{words.earlier}</Radio>
      </RadioGroup>
      {when === "earlier" && (
        <TextField size="small" className="part" name="at" type={"datetime-local" as "text"} label={words.at} error={error} />
      )}
    </>
  );
}

function WhatFollows({ says, follows }: { says: string; follows: Follows }) {
  const words = useRoomWords().holders;
  return (
    <div className="follows">
      <p>
        <b>{says}</b>
      </p>
      {follows.stays.length === 0 && <p>{words.staysNone}</p>}
      {follows.stays.map((one) => (
        <p key={one.patient_id}>{words.stays(one.readings, one.name)}</p>
      ))}
      {follows.aside > 0 && <p>{words.aside(follows.aside)}</p>}
    </div>
  );
}

export function GiveDialog({ device, done }: { device: string; done: () => void }) {
  const words = useRoomWords().holders;
  const { data: list } = useQuery(worklistQuery);
  const patients = (list?.rows ?? [])
    .map(({ patient }) => ({ id: patient.id, name: patient.name, shown: `${patient.name}, ${patient.birth_year}, ${patient.place}` }))
    .sort((a, b) => a.shown.localeCompare(b.shown, "nb"));
  const named = (id: string) => patients.find((one) => one.id === id)?.name ?? id;
  return (
    <Steps
      title={words.giveTitle(device)}
      device={device}
      deed="give"
      patients={patients}
      send={({ patient, slot, at_ms, why }, sure) =>
        api.give(device, { patient_id: patient, from_ms: at_ms, user_slot: slot === "" ? null : Number(slot), why, sure })
      }
      sure={(filled, at) => words.sureGive(device, named(filled.patient), at)}
      done={done}
    />
  );
}

export function TakeBackDialog({ holder, done }: { holder: Holder; done: () => void }) {
  const words = useRoomWords().holders;
  const { device, name } = holder;
  return (
    <Steps
      title={words.takeBackTitle(device, name)}
      device={device}
      deed="takeBack"
      send={({ at_ms, why }, sure) => api.takeBack(device, { to_ms: at_ms, why, sure })}
      sure={(_, at) => words.sureTakeBack(device, name, at)}
      done={done}
    />
  );
}
