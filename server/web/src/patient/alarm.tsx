/// One alarm in full: why now (the sentence, the rule, the numbers), who has been told, and what can be done.
import { Button } from "@navikt/ds-react";
import { useState } from "react";
import { explain, useAct } from "../acts";
import type { AlarmView, PatientPage, ReasonView } from "../api";
import * as format from "../format";
import { DeedDialog } from "../deeds/later";
import type { Deed } from "../deeds/may";
import { type Words, useSay, useWords } from "../i18n";
import { useKeys } from "../keys";
import { Notice, PriorityTag } from "../parts";
import { waits } from "../worklist/order";
import { Waiting } from "../worklist/row";
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
  const [asking, ask] = useState<Deed | null>(null);
  const may = (deed: Deed) =>
    alarm.actions.includes(deed) && (deed !== "undo" || (alarm.undo_until_ms !== null && now <= alarm.undo_until_ms));
  const at_once = (kind: "acknowledge" | "undo") => {
    if (may(kind) && !act.isPending) act.mutate({ kind, alarm: alarm.id });
  };
  const letter = (deed: Deed) => () => may(deed) && ask(deed);
  useKeys(
    keys
      ? {
          a: () => at_once("acknowledge"),
          u: () => at_once("undo"),
          v: letter("assess"),
          z: letter("snooze"),
          h: letter("hand_over"),
          e: letter("escalate"),
          c: letter("close"),
        }
      : {},
  );
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
      <Waiting alarm={alarm} now={now} waits={waits(alarm)} />
      {alarm.settled && <p className="settled">{words.worklist.settled}</p>}
      <Todo plan={plan} alarm={alarm} />
      <div className="actions">
        {may("acknowledge") && (
          <Button size="small" loading={act.isPending} onClick={() => at_once("acknowledge")}>
            {alarm.parked ? words.life.take : words.patient.acknowledge}
          </Button>
        )}
        {BUTTONS.filter(([deed]) => may(deed)).map(([deed, label], i) => (
          <Button
            key={deed}
            size="small"
            variant={i === 0 && !may("acknowledge") ? "primary" : "secondary"}
            onClick={() => (deed === "undo" ? at_once("undo") : ask(deed))}
          >
            {label(words)}
          </Button>
        ))}
        {may("acknowledge") && <span className="hint">{words.patient.closeFirst}</span>}
      </div>
      {act.isError && (
        <Notice>
          <p>{explain(act.error, words)}</p>
        </Notice>
      )}
      <Timeline alarm={alarm} now={now} />
      {asking && <DeedDialog deed={asking} alarm={alarm} patient={alarm.patient} done={() => ask(null)} />}
    </article>
  );
}

const BUTTONS: readonly [Deed, (words: Words) => string][] = [
  ["close", (words) => words.patient.close],
  ["assess", (words) => words.life.assess],
  ["escalate", (words) => words.patient.escalate],
  ["hand_over", (words) => words.life.handOver],
  ["snooze", (words) => words.life.snooze],
  ["undo", (words) => words.life.undo],
];

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

/// An alarm of the past, on a few lines. `latest`: of its kind, and none is open: it can be opened again.
export function ClosedAlarm({ alarm, now, latest }: { alarm: AlarmView; now: number; latest: boolean }) {
  const words = useWords();
  const [asking, ask] = useState(false);
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
      {alarm.actions.includes("reopen") && latest && (
        <Button size="xsmall" variant="tertiary" data-color="neutral" onClick={() => ask(true)}>
          {words.life.reopen}
        </Button>
      )}
      {asking && <DeedDialog deed="reopen" alarm={alarm} patient={alarm.patient} done={() => ask(false)} />}
    </li>
  );
}
