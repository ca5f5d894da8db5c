/// Setting an alarm aside: snooze, hand over, assess, open again. Each says what follows before it is done.
import { Radio, RadioGroup, Select, TextField } from "@navikt/ds-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { explain, useAct } from "../acts";
import { type AlarmBrief, type AssessBody, type PatientBrief, type Recipients, api } from "../api";
import { useNow } from "../clock";
import * as format from "../format";
import { type Words, useWords } from "../i18n";
import { CloseDialog, Frame, Note, ReasonDialog, seen, text } from "../patient/dialogs";
import "./deeds.css";
import type { Deed } from "./may";
import { EscalateDialog } from "./send";

export interface DeedProps {
  alarm: AlarmBrief;
  patient: PatientBrief;
  done: () => void;
}

const DIALOGS: Partial<Record<Deed, (props: DeedProps) => React.JSX.Element>> = {
  snooze: SnoozeDialog,
  hand_over: HandOverDialog,
  assess: AssessDialog,
  reopen: ReopenDialog,
  escalate: EscalateDialog,
  close: CloseDialog,
};

/// The dialog of a deed that asks something.
export function DeedDialog({ deed, ...props }: DeedProps & { deed: Deed }) {
  const Dialog = DIALOGS[deed];
  return Dialog ? <Dialog {...props} /> : null;
}

const MIN_MS = 60_000;
const LENGTHS = [15, 30, 60, 120, 240, 480];
const LEAST_WORDS = 3;

function SnoozeDialog({ alarm, patient, done }: DeedProps) {
  const words = useWords();
  const { life } = words;
  const now = useNow();
  const act = useAct();
  const [length, choose] = useState("");
  const [seen_reasons] = useState(() => seen(alarm));
  const [missing, setMissing] = useState<ReadonlySet<string>>(new Set());
  const send = (form: FormData) => {
    const [minutes, why] = [Number(text(form, "minutes")), text(form, "why").trim()];
    const lacks = [minutes > 0 ? "" : "minutes", why.length < LEAST_WORDS ? "why" : ""].filter(Boolean);
    setMissing(new Set(lacks));
    if (lacks.length > 0) return;
    const body = { minutes, why, seen: alarm.state, seen_reasons };
    act.mutate({ kind: "snooze", alarm: alarm.id, body }, { onSuccess: done });
  };
  return (
    <Frame
      title={life.snoozeTitle(patient.name)}
      error={act.error}
      busy={act.isPending}
      submit={life.snoozeDo}
      onSubmit={send}
      done={done}
    >
      <p>{life.snoozeWhat}</p>
      <Select
        size="small"
        name="minutes"
        label={life.snoozeFor}
        value={length}
        onChange={(event) => choose(event.currentTarget.value)}
        error={missing.has("minutes") ? life.chooseMissing : undefined}
      >
        <option value="">{life.choose}</option>
        {LENGTHS.map((n) => (
          <option key={n} value={n}>
            {life.minutes(n)}, {life.until(format.when(now + n * MIN_MS, now))}
          </option>
        ))}
      </Select>
      <TextField
        size="small"
        name="why"
        label={life.why}
        description={life.whyWhat}
        maxLength={500}
        error={missing.has("why") ? life.writeWhy : undefined}
      />
    </Frame>
  );
}

function HandOverDialog({ alarm, patient, done }: DeedProps) {
  const words = useWords();
  const { life } = words;
  const act = useAct();
  const [to, choose] = useState("");
  const [missing, setMissing] = useState(false);
  const send = (form: FormData) => {
    const whom = addressed(to);
    setMissing(!whom);
    if (!whom) return;
    const body = { ...whom, note: text(form, "note"), seen: alarm.state };
    act.mutate({ kind: "hand_over", alarm: alarm.id, body }, { onSuccess: done });
  };
  return (
    <Frame
      title={life.handTitle(patient.name)}
      error={act.error}
      busy={act.isPending}
      submit={life.handDo}
      onSubmit={send}
      done={done}
    >
      <p>{life.handWhat}</p>
      <RecipientChoice
        alarm={alarm.id}
        by="hand_over"
        error={missing ? life.chooseMissing : undefined}
        value={to}
        onChange={choose}
      />
      <Note />
    </Frame>
  );
}

function AssessDialog({ alarm, patient, done }: DeedProps) {
  const words = useWords();
  const { life } = words;
  const act = useAct();
  const [missing, setMissing] = useState(false);
  const send = (form: FormData) => {
    const cause = text(form, "cause") as AssessBody["cause"];
    setMissing(!cause);
    if (!cause) return;
    const body = { cause, note: text(form, "note"), seen: alarm.state };
    act.mutate({ kind: "assess", alarm: alarm.id, body }, { onSuccess: done });
  };
  return (
    <Frame
      title={life.assessTitle(patient.name)}
      error={act.error}
      busy={act.isPending}
      submit={life.assessDo}
      onSubmit={send}
      done={done}
    >
      <RadioGroup size="small" name="cause" legend={life.cause} error={missing ? life.chooseMissing : undefined}>
        {Object.entries(life.causes).map(([cause, shown]) => (
          <Radio key={cause} value={cause}>
            {shown}
          </Radio>
        ))}
      </RadioGroup>
      <Note />
    </Frame>
  );
}

function ReopenDialog({ alarm, patient, done }: DeedProps) {
  const { life } = useWords();
  const act = useAct();
  return (
    <ReasonDialog
      title={life.reopenTitle(patient.name)}
      what={life.reopenWhat}
      label={life.why}
      hint={life.whyWhat}
      least={LEAST_WORDS}
      tooShort={life.writeWhy}
      error={act.error}
      busy={act.isPending}
      submit={life.reopenDo}
      give={(why) => act.mutate({ kind: "reopen", alarm: alarm.id, why }, { onSuccess: done })}
      done={done}
    />
  );
}

/// `role:doctor` or `person:kari` as the server is told it; null where nothing is chosen.
export function addressed(chosen: string): { role: Recipients["roles"][number]["role"] } | { person: string } | null {
  const [what, whom] = [chosen.slice(0, chosen.indexOf(":")), chosen.slice(chosen.indexOf(":") + 1)];
  if (what === "person") return { person: whom };
  return what === "role" ? { role: whom as Recipients["roles"][number]["role"] } : null;
}

interface ChoiceProps {
  alarm: string;
  error: string | undefined;
  by: "hand_over" | "case";
  /// Before the roles: another way than to somebody.
  first?: React.ReactNode;
  value: string;
  onChange: (value: string) => void;
}

/// Whom an alarm can be left with: roles by who is on call, then people. Who cannot be reached is shown and not chosen.
export function RecipientChoice({ alarm, by, error, first, value, onChange }: ChoiceProps) {
  const words = useWords();
  const { life } = words;
  const { data, error: failed } = useQuery({
    queryKey: ["recipients", alarm, by],
    queryFn: () => api.recipients(alarm, by),
    gcTime: 0,
  });
  const off = (reachable: boolean) => (reachable ? "" : ` (${life.notReachable})`);
  return (
    <Select
      size="small"
      name="to"
      label={life.to}
      error={error ?? (failed && explain(failed, words))}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    >
      {first ?? <option value="">{life.choose}</option>}
      {data?.roles.map(({ role, names, reachable }) => (
        <option key={role} value={`role:${role}`} disabled={!reachable}>
          {life.onCall(capital(roleName(role, words)), names.join(", "))}
          {names.length > 0 && off(reachable)}
        </option>
      ))}
      {data?.people.map(({ id, name, role, reachable }) => (
        <option key={id} value={`person:${id}`} disabled={!reachable}>
          {name}, {roleName(role, words)}
          {off(reachable)}
        </option>
      ))}
    </Select>
  );
}

const roleName = (role: keyof Words["role"], words: Words): string => words.role[role];
const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
