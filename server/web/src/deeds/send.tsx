/// Escalating: to somebody with an SBAR note that is filled in from data, or only one step up the ladder.
import { Textarea } from "@navikt/ds-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useAct } from "../acts";
import { type SbarNote, api } from "../api";
import { useLanguage, useWords } from "../i18n";
import { Frame, Note, text } from "../patient/dialogs";
import { type DeedProps, RecipientChoice, addressed } from "./dialogs";

export const SBAR = ["situation", "background", "assessment", "recommendation"] as const;
const LADDER = "ladder";

export function EscalateDialog({ alarm, patient, done }: DeedProps) {
  const words = useWords();
  const { life } = words;
  const { said: language } = useLanguage();
  const act = useAct();
  const clinical = alarm.kind === "clinical";
  const [to, choose] = useState(clinical ? "role:doctor" : LADDER);
  const [edited, edit] = useState<Partial<SbarNote>>({});
  const [missing, setMissing] = useState(false);
  const draft = useQuery({ queryKey: ["sbar", alarm.id], queryFn: () => api.sbar(alarm.id), gcTime: 0, enabled: clinical });
  const send = (form: FormData) => {
    if (to === LADDER) {
      act.mutate({ kind: "escalate", alarm: alarm.id, note: text(form, "note") }, { onSuccess: done });
      return;
    }
    const note = Object.fromEntries(SBAR.map((part) => [part, text(form, part).trim()])) as unknown as SbarNote;
    const lacks = SBAR.some((part) => !note[part]);
    setMissing(lacks);
    const whom = addressed(to);
    if (lacks || !whom) return;
    act.mutate(
      { kind: "send", alarm: alarm.id, body: { ...whom, language, note, seen: alarm.state } },
      { onSuccess: done },
    );
  };
  const next = alarm.next_step_to;
  const who = next && next in words.role ? words.role[next as keyof typeof words.role] : words.unknown;
  return (
    <Frame
      title={life.sendTitle(patient.name)}
      error={act.error ?? draft.error}
      busy={act.isPending}
      submit={to === LADDER ? life.ladderDo : life.sendDo}
      onSubmit={send}
      done={done}
      width="720px"
    >
        <RecipientChoice
          alarm={alarm.id}
          by="case"
          error={undefined}
          value={to}
          onChange={choose}
          first={<option value={LADDER}>{next ? life.ladder(who) : life.ladderWhat}</option>}
        />
        {to === LADDER && (
          <>
            <p>{life.ladderWhat}</p>
            <Note />
          </>
        )}
        {to !== LADDER && draft.data && (
          <>
            <p className="hint">{life.sendWhat}</p>
            {SBAR.map((part) => (
              <Textarea
                key={part}
                size="small"
                name={part}
                label={life.sbar[part]}
                value={edited[part] ?? draft.data[language][part]}
                onChange={(event) => edit({ ...edited, [part]: event.currentTarget.value })}
                minRows={2}
                error={missing ? life.sbarMissing : undefined}
              />
            ))}
          </>
        )}
        {to !== LADDER && !draft.data && !draft.error && <p className="loading">{words.shell.loading}</p>}
    </Frame>
  );
}
