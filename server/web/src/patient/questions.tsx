/// Whose are these readings? One card for each open question, with the three answers beside the curves they would
/// change; what was answered before; and a first weight that nothing could be held against.
import { QuestionmarkDiamondIcon } from "@navikt/aksel-icons";
import { Button } from "@navikt/ds-react";
import type { PatientPage, Question } from "../api";
import * as format from "../format";
import { useSay, useWords } from "../i18n";
import { Notice } from "../parts";
import { SAID, atHome, moments, refused, sentence, shown, useAnswer } from "../questions";

export function Questions({ page, now }: { page: PatientPage; now: number }) {
  const words = useWords();
  const open = page.questions.filter((question) => question.said === null);
  const answered = page.questions.filter((question) => question.said !== null);
  if (page.questions.length === 0 && page.unjudged === null) return null;
  return (
    <section aria-labelledby="questions">
      <h2 id="questions">{words.question.title}</h2>
      {open.map((question) => (
        <Open key={question.id} question={question} patient={page.patient.id} now={now} />
      ))}
      {page.unjudged && (
        <p className="card">
          {words.question.first(shown(page.unjudged), format.when(page.unjudged.t_ms, now))}
        </p>
      )}
      {answered.length > 0 && (
        <ul className="card closed" aria-label={words.question.earlier}>
          {answered.map((question) => (
            <Answered key={question.id} question={question} now={now} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Open({ question, patient, now }: { question: Question; patient: string; now: number }) {
  const words = useWords();
  const answer = useAnswer(patient);
  const home = atHome(question, now, words);
  const asked = `asked-${question.id}`;
  return (
    <article className="card question-card" aria-labelledby={asked}>
      <h3 id={asked}>
        <QuestionmarkDiamondIcon aria-hidden /> {words.question.whose}
      </h3>
      <p className="reason-text">{sentence(question, now, words)}</p>
      <Measured question={question} now={now} />
      <p className="lead">
        {words.question.waited(words.ago(format.span(now - question.asked_ms)))}
        {home && ` · ${home}`}
      </p>
      <div className="actions">
        {SAID.map((said) => (
          <Button
            key={said}
            size="small"
            variant="secondary"
            loading={answer.isPending && answer.variables.said === said}
            disabled={answer.isPending}
            onClick={() => answer.mutate({ question, said })}
          >
            {words.question.said[said]}
          </Button>
        ))}
      </div>
      {answer.isError && (
        <Notice>
          <p>{refused(answer.error, words)}</p>
        </Notice>
      )}
      <p className="hint">{words.question.what}</p>
    </article>
  );
}

/// Everything that is held, moment by moment: a series is a change, a single one is a guest.
function Measured({ question, now }: { question: Question; now: number }) {
  const words = useWords();
  const say = useSay();
  const all = moments(question);
  const days = new Set(all.map(({ t_ms }) => format.date(t_ms))).size;
  return (
    <>
      {all.length > 1 && (
        <p>{days > 1 ? words.question.seriesDays(all.length, days) : words.question.series(all.length)}</p>
      )}
      <ul className="measured">
        {all.map(({ t_ms, values }) => (
          <li key={t_ms}>
            <time>{format.when(t_ms, now)}</time>{" "}
            {values.map((value) => `${say(value.label)} ${shown(value)}`).join(", ")}
          </li>
        ))}
      </ul>
    </>
  );
}

function Answered({ question, now }: { question: Question; now: number }) {
  const words = useWords();
  const when = question.said_ms === null ? "" : format.when(question.said_ms, now);
  const who = question.said_from === "home" ? words.question.fromHome : (question.said_by ?? words.unknown);
  return (
    <li>
      <p>{sentence(question, now, words)}</p>
      <p className="outcome">
        <b>{question.said && words.question.said[question.said]}</b> {words.question.by(who, when)}
      </p>
    </li>
  );
}
