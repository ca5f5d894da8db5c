/// One alarm in full: why now (the sentence, the rule, the numbers), who has been told, and what can be done.
import { Button } from "@navikt/ds-react";
import { useState } from "react";
import { explain, useAct } from "../acts";
import type { AlarmView, PatientPage, ReasonView } from "../api";
import * as format from "../format";
import { useSay, useWords } from "../i18n";
import { useKeys } from "../keys";
import { Notice, PriorityTag } from "../parts";
import { Waiting } from "../worklist/row";
import { CloseDialog, EscalateDialog } from "./dialogs";
import { Todo } from "./todo";

interface AlarmProps {
  alarm: AlarmView;
  plan: PatientPage["plan"];
  now: number;
  keys: boolean;
}

/// `keys`: this is the alarm that the letters act on.
export function Alarm({ alarm, plan, now, keys }: AlarmProps) {
  const words = useWords();
  const act = useAct();
  // From the worklist's key: the dialog is what was asked for.
  const [asking, ask] = useState<"escalate" | "close" | null>(
    keys && location.hash === "#escalate" && alarm.actions.includes("escalate") ? "escalate" : null,
  );
  const may = (action: AlarmView["actions"][number]) => alarm.actions.includes(action);
  const acknowledge = () => {
    if (may("acknowledge") && !act.isPending) act.mutate({ kind: "acknowledge", alarm: alarm.id });
  };
  useKeys(
    keys ? { a: acknowledge, e: () => may("escalate") && ask("escalate"), c: () => may("close") && ask("close") } : {},
  );
  const done = () => ask(null);
  const waits = alarm.state === "raised" || alarm.state === "notified";
  const name = `${words.priority[alarm.priority]}, ${words.kind[alarm.kind].toLowerCase()}`;

  return (
    <article className={`card alarm-card row-${alarm.priority}`} aria-label={name}>
      <div className="alarm-sign">
        <PriorityTag alarm={alarm} />
        <span className="alarm-kind">{words.kind[alarm.kind]}</span>
        <time>{format.dateTime(alarm.raised_ms)}</time>
      </div>
      {alarm.reasons.map((reason) => (
        <Reason key={`${reason.rule} ${reason.t_ms}`} reason={reason} now={now} />
      ))}
      <Waiting alarm={alarm} now={now} waits={waits} />
      {alarm.settled && <p className="settled">{words.worklist.settled}</p>}
      <Todo plan={plan} alarm={alarm} />
      <div className="actions">
        {may("acknowledge") && (
          <Button size="small" loading={act.isPending} onClick={acknowledge}>
            {words.patient.acknowledge}
          </Button>
        )}
        {may("close") && (
          <Button size="small" onClick={() => ask("close")}>
            {words.patient.close}
          </Button>
        )}
        {may("escalate") && (
          <Button size="small" variant="secondary" onClick={() => ask("escalate")}>
            {words.patient.escalate}
          </Button>
        )}
        {may("acknowledge") && <span className="hint">{words.patient.closeFirst}</span>}
      </div>
      {act.isError && (
        <Notice>
          <p>{explain(act.error, words)}</p>
        </Notice>
      )}
      <Timeline alarm={alarm} now={now} />
      {asking === "escalate" && <EscalateDialog alarm={alarm} done={done} />}
      {asking === "close" && <CloseDialog alarm={alarm} done={done} />}
    </article>
  );
}

function Reason({ reason, now }: { reason: ReasonView; now: number }) {
  const words = useWords();
  const inWords = useSay();
  const numbers = Object.entries(reason.because);
  return (
    <div className="reason">
      <p className="reason-text">{reason.doubted ? <s>{inWords(reason.text)}</s> : inWords(reason.text)}</p>
      {reason.doubted && <p>{words.patient.doubted}</p>}
      <details>
        <summary>{words.patient.numbers}</summary>
        <dl className="because">
          {numbers.map(([name, value]) => (
            <div key={name}>
              <dt>{name.replaceAll("_", " ")}</dt>
              <dd>{value === null ? words.unknown : format.plain(value)}</dd>
            </div>
          ))}
        </dl>
      </details>
      <p className="reason-rule">
        {words.patient.rule(reason.rule, reason.version)} · {format.when(reason.t_ms, now)}
      </p>
    </div>
  );
}

function Timeline({ alarm, now }: { alarm: AlarmView; now: number }) {
  const words = useWords();
  const inWords = useSay();
  return (
    <div className="timeline">
      <h3>{words.patient.timeline}</h3>
      <ol>
        {alarm.timeline.map((entry, i) => (
          <li key={`${i} ${entry.t_ms}`} className={`event-${entry.what}`}>
            <time>
              {format.date(entry.t_ms) === format.date(now)
                ? format.clockSeconds(entry.t_ms)
                : format.when(entry.t_ms, now)}
            </time>
            <span>{inWords(entry.text)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}

/// An alarm of the past, on a few lines.
export function ClosedAlarm({ alarm, now }: { alarm: AlarmView; now: number }) {
  const words = useWords();
  const inWords = useSay();
  const named = <T extends string>(table: Record<T, string>, word: string | null) =>
    word === null ? words.unknown : (table[word as T] ?? word);
  return (
    <li>
      <p>
        <PriorityTag alarm={alarm} /> <time>{format.when(alarm.raised_ms, now)}</time>
      </p>
      <p>{alarm.reasons.map((reason) => inWords(reason.text)).join(" · ")}</p>
      <p className="outcome">
        <b>{words.act.closedAs(named(words.act.actions, alarm.action), named(words.act.outcomes, alarm.outcome))}</b>{" "}
        {alarm.usefulness !== null && words.act.usefulnessWas(alarm.usefulness)}
        {alarm.note && ` – ${alarm.note}`}
      </p>
    </li>
  );
}
