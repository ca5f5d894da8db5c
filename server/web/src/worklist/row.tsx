/// One patient with an alarm or a question: who, why, who has it and what happens next, and the latest values.
import { ClockIcon, PersonCheckmarkIcon, QuestionmarkDiamondIcon } from "@navikt/aksel-icons";
import { Button } from "@navikt/ds-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { explain, type useAct } from "../acts";
import type { AlarmBrief, PatientBrief, Question, WorklistRow } from "../api";
import { type Deed, mayDo } from "../deeds/may";
import { SetAside } from "../deeds/state";
import * as format from "../format";
import { useSay, useWords } from "../i18n";
import { News2Line, Notice, PriorityTag, Values, outside } from "../parts";
import { sessionQuery } from "../queries";
import { atHome, sentence } from "../questions";
import { WishLines } from "../wishes";
import { forTheList, waits } from "./order";
import { Since, ViewedBy } from "./since";

type Acting = ReturnType<typeof useAct>;

interface RowProps {
  row: WorklistRow;
  now: number;
  changed: boolean;
  act: Acting;
}

export function Row({ row, now, changed, act }: RowProps) {
  const words = useWords();
  const { patient } = row;
  const alarms = [row.clinical, row.technical].filter((alarm) => alarm !== null);
  const failed = act.isError && alarms.some((alarm) => alarm.id === act.variables.alarm);
  const priority = row.priority ? words.priority[row.priority].toLowerCase() : "";
  return (
    <li
      className={`row row-${row.priority ?? "calm"}`}
      data-patient={patient.id}
      tabIndex={-1}
      aria-label={priority ? words.worklist.rowLabel(patient.name, priority) : patient.name}
    >
      <Who row={row} now={now} changed={changed} />
      <div className="alarms">
        {alarms.map((alarm) => (
          <Alarm key={alarm.id} alarm={alarm} patient={patient} now={now} act={act} />
        ))}
        {row.questions.map((question) => (
          <Asked key={question.id} question={question} patient={patient} now={now} />
        ))}
        {failed && (
          <Notice>
            <p>{explain(act.error, words)}</p>
          </Notice>
        )}
      </div>
      <div className="readings">
        {row.latest.length > 0 ? (
          <Values values={worstFirst(row)} nowMs={now} limits />
        ) : (
          <p className="none">{words.worklist.noReading}</p>
        )}
        {row.news2 && <News2Line news2={row.news2} />}
        <WishLines wishes={row.wishes} now={now} />
      </div>
      <Button
        as={Link}
        role="link"
        className="open"
        href={`/patient/${patient.id}`}
        size="small"
        variant="tertiary"
        data-color="neutral"
        aria-label={words.worklist.openFor(patient.name)}
      >
        {words.worklist.open}
      </Button>
    </li>
  );
}

const worstFirst = (row: WorklistRow) =>
  forTheList(row).sort((a, b) => Number(!!outside(b) && !b.stale) - Number(!!outside(a) && !a.stale));

function Who({ row, now, changed }: { row: WorklistRow; now: number; changed: boolean }) {
  const words = useWords();
  const inWords = useSay();
  const { patient } = row;
  const age = new Date(now).getFullYear() - patient.birth_year;
  return (
    <div className="who">
      <Link className="name" href={`/patient/${patient.id}`}>
        {patient.name}
      </Link>
      <p>
        {words.years(age)}, {patient.place}
      </p>
      <p>{inWords(patient.programme)}</p>
      {row.gateway_online === false && <p className="gateway-down">{words.worklist.gatewayDown}</p>}
      <Since row={row} now={now} />
      <ViewedBy patient={patient.id} />
      {changed && <p className="changed">{words.worklist.changed}</p>}
    </div>
  );
}

function Alarm({ alarm, patient, now, act }: { alarm: AlarmBrief; patient: PatientBrief; now: number; act: Acting }) {
  const words = useWords();
  const inWords = useSay();
  const waiting = waits(alarm);
  const { data: me } = useQuery(sessionQuery);
  const may = (deed: Deed) => mayDo(alarm, deed, me?.name ?? "", now);
  const busy = act.isPending && act.variables.alarm === alarm.id;
  return (
    <div className={`alarm alarm-${alarm.kind}`}>
      <div className="alarm-sign">
        <PriorityTag alarm={alarm} />
        <span className="alarm-kind">{words.kind[alarm.kind]}</span>
      </div>
      <div className="alarm-why">
        <ul className="reasons">
          {alarm.reasons.map((reason) => (
            <li key={`${reason.rule} ${reason.t_ms}`}>
              {reason.doubted ? <s>{inWords(reason.text)}</s> : inWords(reason.text)}
              {reason.doubted && ` – ${words.patient.doubted}`}
            </li>
          ))}
        </ul>
        <Waiting alarm={alarm} now={now} waits={waiting} />
        {alarm.settled && <p className="settled">{words.worklist.settled}</p>}
      </div>
      {may("acknowledge") ? (
        <Button
          size="small"
          variant={waiting && alarm.priority === "high" ? "primary" : "secondary"}
          loading={busy}
          aria-label={words.worklist.acknowledgeFor(patient.name, words.kind[alarm.kind].toLowerCase())}
          onClick={(event) => {
            // The button goes away with the answer; the focus stays on the row, and the row stays where it is.
            event.currentTarget.closest<HTMLElement>("[data-patient]")?.focus();
            act.mutate({ kind: "acknowledge", alarm: alarm.id });
          }}
        >
          {waiting ? words.worklist.acknowledge : words.life.take}
        </Button>
      ) : (
        may("undo") && (
          <Button
            size="small"
            variant="tertiary"
            loading={busy}
            aria-label={words.life.undoFor(patient.name)}
            onClick={(event) => {
              event.currentTarget.closest<HTMLElement>("[data-patient]")?.focus();
              act.mutate({ kind: "undo", alarm: alarm.id });
            }}
          >
            {words.life.undo}
          </Button>
        )
      )}
    </div>
  );
}

/// A question stands in the list; it is answered on the patient's page, beside the curve that the answer changes.
function Asked({ question, patient, now }: { question: Question; patient: PatientBrief; now: number }) {
  const words = useWords();
  const home = atHome(question, now, words);
  return (
    <div className="alarm">
      <div className="alarm-sign">
        <span className="question-sign">
          <QuestionmarkDiamondIcon aria-hidden /> {words.question.one}
        </span>
      </div>
      <div className="alarm-why">
        <p className="reason-text">{sentence(question, now, words)}</p>
        <p className="waiting">
          <ClockIcon aria-hidden /> <b>{words.question.waited(words.ago(format.span(now - question.asked_ms)))}</b>
          {home && <span>{home}</span>}
        </p>
      </div>
      <Button
        as={Link}
        role="link"
        href={`/patient/${patient.id}`}
        size="small"
        variant="secondary"
        aria-label={words.question.answerFor(patient.name)}
      >
        {words.question.answer}
      </Button>
    </div>
  );
}

const roleName = (role: string, words: ReturnType<typeof useWords>) =>
  role in words.role ? words.role[role as keyof typeof words.role] : role;

/// How long it has waited, who has it, and whom the ladder tells next.
export function Waiting({ alarm, now, waits }: { alarm: AlarmBrief; now: number; waits: boolean }) {
  const words = useWords();
  if (alarm.parked) return <SetAside parked={alarm.parked} now={now} />;
  if (!waits) {
    const taken = words.worklist.takenBy(
      alarm.acknowledged_by ?? words.unknown,
      alarm.acknowledged_ms ? format.when(alarm.acknowledged_ms, now) : "",
    );
    return (
      <p className="waiting is-taken">
        <PersonCheckmarkIcon aria-hidden /> <b>{taken}</b>
        {alarm.cause !== null && <span>{words.life.assessed(words.life.causes[alarm.cause].toLowerCase())}</span>}
        {alarm.acknowledge_expires_ms !== null && (
          <span>{words.worklist.expires(format.when(alarm.acknowledge_expires_ms, now))}</span>
        )}
      </p>
    );
  }
  return (
    <p className="waiting">
      <ClockIcon aria-hidden /> <b>{words.worklist.waited(format.span(now - alarm.raised_ms))}</b>
      <span>{alarm.told.length > 0 ? words.worklist.told(alarm.told.join(", ")) : words.state.raised}</span>
      {alarm.next_step_ms !== null && alarm.next_step_to !== null && (
        <span className="next-step">
          {words.worklist.next(roleName(alarm.next_step_to, words), words.in(format.span(alarm.next_step_ms - now)))}
        </span>
      )}
    </p>
  );
}
