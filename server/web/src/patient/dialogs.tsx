/// The frame of every dialog, and closing: an act that says how it ended.
import { Button, Modal, Provider, Radio, RadioGroup, Select, Textarea } from "@navikt/ds-react";
import { en, nb } from "@navikt/ds-react/locales";
import { type FormEvent, type ReactNode, useState } from "react";
import { explain, useAct } from "../acts";
import type { AlarmBrief, CloseBody, PatientBrief } from "../api";
import { useLanguage, useWords } from "../i18n";
import { Notice } from "../parts";

interface DialogProps {
  alarm: AlarmBrief;
  patient: PatientBrief;
  done: () => void;
}

interface FrameProps {
  title: string;
  error: unknown;
  busy: boolean;
  submit: string;
  onSubmit: (form: FormData) => void;
  done: () => void;
  /// To what was filled in before.
  back?: () => void;
  width?: `${number}px`;
  children: ReactNode;
}

/// The frame of every dialog: a form with what went wrong, the act, and ways out.
export function Frame({ title, error, busy, submit, onSubmit, done, back, width, children }: FrameProps) {
  const words = useWords();
  const { said } = useLanguage();
  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    onSubmit(new FormData(event.currentTarget));
  };
  return (
    <Provider locale={said === "nb" ? nb : en}>
      <Modal open onClose={done} header={{ heading: title, size: "small" }} width={width ?? "560px"}>
        <form onSubmit={send} noValidate>
          <Modal.Body>
            <div className="dialog-fields">
              {children}
              {error !== null && (
                <Notice>
                  <p>{explain(error, words)}</p>
                </Notice>
              )}
            </div>
          </Modal.Body>
          <Modal.Footer>
            {/* The second click of a double click was meant for nothing that the first has brought up. */}
            <Button
              type="submit"
              size="small"
              loading={busy}
              onClick={(event) => event.detail > 1 && event.preventDefault()}
            >
              {submit}
            </Button>
            {back && (
              <Button type="button" size="small" variant="secondary" onClick={back}>
                {words.act.back}
              </Button>
            )}
            <Button type="button" size="small" variant="secondary" onClick={done}>
              {words.act.cancel}
            </Button>
          </Modal.Footer>
        </form>
      </Modal>
    </Provider>
  );
}

export const text = (form: FormData, name: string): string => String(form.get(name) ?? "");

/// What one wants to add, for colleagues.
export function Note() {
  const { act } = useWords();
  return <Textarea size="small" name="note" label={act.note} description={act.noteWhat} maxLength={2000} minRows={2} />;
}

/// What the rules had said when somebody opened a dialog: it hides what they say while it is filled in.
export const seen = (alarm: AlarmBrief) => alarm.reasons.map(({ rule, priority }) => ({ rule, priority }));

export function CloseDialog({ alarm, patient, done }: DialogProps) {
  const words = useWords();
  const act = useAct();
  const [seen_reasons] = useState(() => seen(alarm));
  const [missing, setMissing] = useState<ReadonlySet<string>>(new Set());
  const send = (form: FormData) => {
    const lacks = ["action", "outcome", "usefulness"].filter((name) => !text(form, name));
    setMissing(new Set(lacks));
    if (lacks.length > 0) return;
    const body: CloseBody = {
      action: text(form, "action") as CloseBody["action"],
      outcome: text(form, "outcome") as CloseBody["outcome"],
      usefulness: Number(text(form, "usefulness")),
      note: text(form, "note"),
      seen: alarm.state,
      seen_reasons,
    };
    act.mutate({ kind: "close", alarm: alarm.id, body }, { onSuccess: done });
  };
  const wrong = (name: string) => (missing.has(name) ? words.act.chooseMissing : undefined);
  return (
    <Frame
      title={words.act.closeTitle(patient.name)}
      error={act.error}
      busy={act.isPending}
      submit={words.act.closeDo}
      onSubmit={send}
      done={done}
    >
      <div className="fields">
        <Choice name="action" label={words.act.action} options={words.act.actions} error={wrong("action")} />
        <Choice name="outcome" label={words.act.outcome} options={words.act.outcomes} error={wrong("outcome")} />
      </div>
      <RadioGroup
        size="small"
        name="usefulness"
        className="usefulness"
        legend={words.act.usefulness}
        description={words.act.usefulnessEnds}
        error={wrong("usefulness")}
      >
        {[1, 2, 3, 4, 5].map((n) => (
          <Radio key={n} value={String(n)}>
            {n}
          </Radio>
        ))}
      </RadioGroup>
      <Note />
    </Frame>
  );
}

interface ChoiceProps {
  name: string;
  label: string;
  options: Record<string, string>;
  error: string | undefined;
}

function Choice({ name, label, options, error }: ChoiceProps) {
  const words = useWords();
  return (
    <Select size="small" name={name} label={label} error={error} defaultValue="">
      <option value="">{words.act.choose}</option>
      {Object.entries(options).map(([value, shown]) => (
        <option key={value} value={value}>
          {shown}
        </option>
      ))}
    </Select>
  );
}

interface ReasonProps extends Omit<FrameProps, "onSubmit" | "children"> {
  /// What follows, where there is something to say.
  what: string;
  label: string;
  hint?: string;
  /// Fewer letters than `least` are no reason, and this says so.
  least: number;
  tooShort: string;
  give: (reason: string) => void;
}

/// A deed that wants nothing but a reason, which is kept.
export function ReasonDialog({ what, label, hint, least, tooShort, give, ...frame }: ReasonProps) {
  const [short, setShort] = useState(false);
  const send = (form: FormData) => {
    const reason = text(form, "reason").trim();
    setShort(reason.length < least);
    if (reason.length >= least) give(reason);
  };
  return (
    <Frame {...frame} onSubmit={send}>
      {what && <p>{what}</p>}
      <Textarea
        size="small"
        name="reason"
        label={label}
        description={hint}
        maxLength={500}
        minRows={2}
        error={short && tooShort}
      />
    </Frame>
  );
}
