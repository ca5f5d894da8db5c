/// What to do about an alarm: the programme's action for its worst finding, and the procedure to follow.
import type { AlarmView, PatientPage } from "../api";
import { useSay, useWords } from "../i18n";

type Plan = PatientPage["plan"];
type Action = Plan["actions"][number];

const CHECK = "(check)";

/// For what a rule of the alarm has found rather than for its priority alone; the newest finding first.
export function actionFor(plan: Plan, alarm: Pick<AlarmView, "kind" | "priority" | "reasons">): Action | null {
  if (alarm.kind !== "clinical") return null;
  const of = plan.actions.filter((one) => one.priority === alarm.priority);
  for (const reason of alarm.reasons) {
    const own = of.find((one) => one.rule === reason.rule);
    if (own && reason.priority === alarm.priority) return own;
  }
  return of.find((one) => one.rule === null) ?? null;
}

export function Todo({ plan, alarm }: { plan: Plan; alarm: AlarmView }) {
  const words = useWords().screens.todo;
  const inWords = useSay();
  const action = actionFor(plan, alarm);
  if (alarm.kind !== "clinical") return null;
  return (
    <section className="todo" aria-label={words.title}>
      <h3>{words.title}</h3>
      {action ? (
        <>
          <p className="todo-do">{inWords(action.do)}</p>
          {action.steps.length > 0 && (
            <ol aria-label={words.procedure}>
              {action.steps.map((step) => (
                <li key={step.nb}>{inWords(step)}</li>
              ))}
            </ol>
          )}
        </>
      ) : (
        <p>{words.none}</p>
      )}
      <p className="todo-source">
        {words.version(plan.programme, plan.version)}
        {action && <span lang="en"> · {words.source(action.source.replace(CHECK, "").trim())}</span>}
        {action?.source.includes(CHECK) && ` · ${words.check}`}
      </p>
    </section>
  );
}
