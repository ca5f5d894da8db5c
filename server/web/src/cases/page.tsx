/// Cases: what was sent to whoever is signed in, with all that is known, and what they have sent on until they have read
/// the answer. A specialist's work begins here.
import { Button } from "@navikt/ds-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { Link, useLocation } from "wouter";
import { explain, useAct } from "../acts";
import { say } from "../announce";
import { type CaseView, type Cases, api } from "../api";
import { useNow } from "../clock";
import { SBAR } from "../deeds/send";
import { SetAside, recipient } from "../deeds/state";
import * as format from "../format";
import { useLanguage, useRoomWords, useSay } from "../i18n";
import { Fetched, Notice, PriorityTag, Values, useTitle } from "../parts";
import { casesQuery } from "../queries";
import { waits } from "../worklist/order";
import { Waiting } from "../worklist/row";
import { Reply } from "./answer";
import "./cases.css";

export default function CasesPage({ id }: { id: string | undefined }) {
  const words = useRoomWords().cases;
  useTitle(words.title);
  const cases = useQuery(casesQuery);
  return (
    <div className="page cases">
      <div className="page-head">
        <h1>{words.title}</h1>
        <p className="lead">{words.lead}</p>
      </div>
      <Fetched query={cases}>{(data) => <Lists cases={data} open={id} />}</Fetched>
    </div>
  );
}

function Lists({ cases, open }: { cases: Cases; open: string | undefined }) {
  const words = useRoomWords().cases;
  const now = useNow();
  const shown = [...cases.to_me, ...cases.sent, ...cases.answered].find((one) => one.id === open);
  return (
    <div className={open ? "case-columns has-open" : "case-columns"}>
      <div className="case-lists">
        <Section title={words.toMe} none={words.toMeNone} count={cases.to_me.length + cases.handed_to_me.length}>
          {cases.to_me.map((one) => (
            <Line key={one.id} one={one} now={now} open={one.id === open} />
          ))}
          {cases.handed_to_me.map((one) => (
            <HandedLine key={one.alarm.id} one={one} now={now} mine={false} />
          ))}
        </Section>
        <Section title={words.sent} none={words.sentNone} count={cases.sent.length + cases.handed.length}>
          {cases.sent.map((one) => (
            <Line key={one.id} one={one} now={now} open={one.id === open} />
          ))}
          {cases.handed.map((one) => (
            <HandedLine key={one.alarm.id} one={one} now={now} mine />
          ))}
        </Section>
        {cases.answered.length > 0 && (
          <Section title={words.answered} none="" count={cases.answered.length}>
            {cases.answered.map((one) => (
              <Line key={one.id} one={one} now={now} open={one.id === open} />
            ))}
          </Section>
        )}
      </div>
      {shown && <Case key={shown.id} one={shown} now={now} />}
      {open && !shown && <p className="none case-gone">{words.gone(open)}</p>}
    </div>
  );
}

interface SectionProps {
  title: string;
  none: string;
  count: number;
  children: React.ReactNode;
}

function Section({ title, none, count, children }: SectionProps) {
  return (
    <section aria-label={title}>
      <h2>
        {title} <span className="tally">{count}</span>
      </h2>
      {count > 0 ? <ol className="case-list">{children}</ol> : <p className="none">{none}</p>}
    </section>
  );
}

function Line({ one, now, open }: { one: CaseView; now: number; open: boolean }) {
  const words = useRoomWords();
  const { cases } = words;
  const inWords = useSay();
  const to = one.to ?? words.role[one.to_role];
  return (
    <li className={`card case-line row-${one.alarm.priority}`} data-case={one.id}>
      <div className="case-who">
        <PriorityTag alarm={one.alarm} />
        <b className="name">{one.patient.name}</b>
        <span className={`case-state is-${one.state}`}>{cases.state[one.state]}</span>
      </div>
      <p>{one.alarm.reasons.map((reason) => inWords(reason.text)).join(" · ")}</p>
      <p className="hint">
        {one.mine
          ? cases.to(to, format.when(one.sent_ms, now))
          : cases.from(one.sent_by, one.place, format.when(one.sent_ms, now))}
      </p>
      <Receipt one={one} now={now} />
      {open ? (
        <Link className="case-open" href="/cases">
          {cases.close}
        </Link>
      ) : (
        <Link className="case-open" href={`/cases/${one.id}`} aria-label={cases.openCase(one.id, one.patient.name)}>
          {cases.open}
        </Link>
      )}
    </li>
  );
}

/// Whether it was opened, by whom and when, and what happens next.
function Receipt({ one, now }: { one: CaseView; now: number }) {
  const words = useRoomWords();
  const { cases } = words;
  const parts = [
    one.opened_ms === null
      ? cases.notOpened
      : cases.openedBy(one.opened_by ?? words.unknown, format.when(one.opened_ms, now)),
    one.answered_ms === null ? "" : cases.answeredBy(one.answered_by ?? words.unknown, format.when(one.answered_ms, now)),
    one.lapsed_ms === null || one.answered_ms !== null ? "" : cases.lapsed(format.when(one.lapsed_ms, now)),
    one.until_ms === null ? "" : cases.until(words.in(format.span(one.until_ms - now))),
  ];
  return <p className="receipt">{parts.filter(Boolean).join(" · ")}</p>;
}

function HandedLine({ one, now, mine }: { one: Cases["handed"][number]; now: number; mine: boolean }) {
  const words = useRoomWords();
  const act = useAct();
  const inWords = useSay();
  const { alarm, patient } = one;
  const to = alarm.parked ? recipient(alarm.parked, words) : words.unknown;
  return (
    <li className={`card case-line row-${alarm.priority}`}>
      <div className="case-who">
        <PriorityTag alarm={alarm} />
        <Link className="name" href={`/patient/${patient.id}`}>
          {patient.name}
        </Link>
        <span className="case-state">{words.cases.handedTo(to)}</span>
      </div>
      <p>{alarm.reasons.map((reason) => inWords(reason.text)).join(" · ")}</p>
      {alarm.parked && <SetAside parked={alarm.parked} now={now} />}
      {alarm.parked?.why && <p className="hint">{alarm.parked.why}</p>}
      {!mine && (
        <Button
          size="small"
          variant="secondary"
          loading={act.isPending}
          onClick={() => act.mutate({ kind: "acknowledge", alarm: alarm.id })}
        >
          {words.life.take}
        </Button>
      )}
      {act.isError && (
        <Notice>
          <p>{explain(act.error, words)}</p>
        </Notice>
      )}
    </li>
  );
}

/// One case in full: the note, the alarm and the values as they are now, and the answer.
function Case({ one, now }: { one: CaseView; now: number }) {
  const words = useRoomWords();
  const { cases } = words;
  const { sbar } = words.life;
  const { said: language } = useLanguage();
  const inWords = useSay();
  const queries = useQueryClient();
  const renew = () => void queries.invalidateQueries({ queryKey: ["cases"] });
  const open = useMutation({ mutationFn: api.openCase, networkMode: "always", onSuccess: renew });
  const unseen = one.to_me && one.opened_ms === null;
  const { mutate } = open;
  useEffect(() => {
    if (unseen) mutate(one.id);
  }, [mutate, one.id, unseen]);
  const draft = one.draft[language];
  const edited = SBAR.some((part) => one.draft[one.language][part] !== one.note[part]);
  const other = language !== one.language;
  return (
    <article className="card case" aria-label={cases.number(one.id)}>
      <div className="case-who">
        <PriorityTag alarm={one.alarm} />
        <h2>{one.patient.name}</h2>
        <span className="hint">
          {cases.number(one.id)} · {cases.from(one.sent_by, one.place, format.when(one.sent_ms, now))}
        </span>
      </div>
      <Receipt one={one} now={now} />
      {one.answer !== null && (
        <section aria-label={cases.answer} className="case-answer">
          <h3>
            {cases.answer}: {cases.answers[one.answer]}
          </h3>
          {one.answer_text && <p>{one.answer_text}</p>}
          {one.measure.length > 0 && <p>{cases.asked(one.measure.map(inWords).join(", "))}</p>}
          {one.mine && one.state === "answered" && <Read one={one} />}
        </section>
      )}
      <dl className="sbar" lang={one.language}>
        {SBAR.map((part) => (
          <div key={part}>
            <dt lang={language}>{sbar[part]}</dt>
            <dd>{one.note[part]}</dd>
          </div>
        ))}
      </dl>
      {(edited || other) && (
        <details>
          <summary>{other ? cases.otherLanguage : cases.edited}</summary>
          <dl className="sbar">
            {SBAR.map((part) => (
              <div key={part}>
                <dt>{sbar[part]}</dt>
                <dd>{draft[part]}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
      <section aria-label={cases.now} className="case-now">
        <h3>{cases.now}</h3>
        {one.latest.length > 0 ? (
          <Values values={one.latest} nowMs={now} limits />
        ) : (
          <p className="none">{words.worklist.noReading}</p>
        )}
        <h3>{cases.alarmNow}</h3>
        {one.alarm.state === "closed" ? (
          <p>{words.state.closed}</p>
        ) : (
          <Waiting alarm={one.alarm} now={now} waits={waits(one.alarm)} />
        )}
        <Link href={`/patient/${one.patient.id}`}>{cases.patient(one.patient.name)}</Link>
      </section>
      {one.to_me && one.answer === null && one.alarm.state !== "closed" && <Reply one={one} />}
      {open.isError && (
        <Notice>
          <p>{explain(open.error, words)}</p>
        </Notice>
      )}
    </article>
  );
}

function Read({ one }: { one: CaseView }) {
  const words = useRoomWords();
  const { cases } = words;
  const queries = useQueryClient();
  const [, go] = useLocation();
  const read = useMutation({
    mutationFn: api.readCase,
    networkMode: "always",
    onSuccess: () => {
      say("polite", cases.readDone);
      go("/cases");
      void queries.invalidateQueries({ queryKey: ["cases"] });
    },
  });
  return (
    <>
      <Button
        size="small"
        loading={read.isPending}
        aria-label={cases.readFor(one.id)}
        onClick={() => read.mutate(one.id)}
      >
        {cases.read}
      </Button>
      {read.isError && (
        <Notice>
          <p>{explain(read.error, words)}</p>
        </Notice>
      )}
    </>
  );
}
