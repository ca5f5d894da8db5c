/// A version as lines, section by section, so that one can be read and two can be held against each other.
import type { ReactNode } from "react";
import type { Text } from "../api";
import * as format from "../format";
import { type AllWords, useRoomWords, useSay } from "../i18n";
import { PriorityTag } from "../parts";
import type { Version } from "./asks";

const SECTIONS = ["programme", "rules", "limits", "expect", "ask", "actions"] as const;
type Section = (typeof SECTIONS)[number];

/// `text` is what two versions are compared by; `own`: the programme says so itself.
interface Line {
  section: Section;
  key: string;
  label: ReactNode;
  text: string;
  shown?: ReactNode;
  own: boolean;
}

type Say = (text: Text) => string;

function linesOf(version: Version, words: AllWords, say: Say): Line[] {
  const P = words.programmes;
  const every = (seconds: number) => P.every(words.length(format.span(seconds * 1000)));
  const line = (section: Section, key: string, label: ReactNode, text: string, more: Partial<Line> = {}): Line => ({
    section, key, label, text, own: true, ...more,
  });
  const titles = new Map(version.rules.map((rule) => [rule.name, say(rule.title)]));
  return [
    line("programme", "title", P.name, say(version.title)),
    line("programme", "startup", P.startup, P.days(format.plain(version.startup_days))),
    ...version.rules.map((one) => line("rules", one.name, say(one.title), one.version ? P.ruleVersion(one.version) : P.gone)),
    ...version.limits.map((one) =>
      line("limits", one.name, <code>{one.name}</code>, one.value === null ? P.notSet : format.plain(one.value), { own: one.own }),
    ),
    ...version.expect.map((one) => line("expect", one.channel, say(one.label), every(one.every_s))),
    ...version.ask.map((one) => line("ask", one.channel, say(one.label), every(one.every_s))),
    ...version.actions.map((one) =>
      line(
        "actions",
        `${one.priority} ${one.rule ?? ""}`,
        <>
          <PriorityTag alarm={{ priority: one.priority, kind: "clinical" }} />{" "}
          {one.rule === null ? P.anyRule : (titles.get(one.rule) ?? one.rule)}
        </>,
        JSON.stringify([one.do, one.steps, one.source]),
        { shown: <Action action={one} /> },
      ),
    ),
  ];
}

function Action({ action }: { action: Version["actions"][number] }) {
  const say = useSay();
  const { screens } = useRoomWords();
  return (
    <>
      <b>{say(action.do)}</b>
      <ol className="steps-said">
        {action.steps.map((step) => (
          <li key={step.nb}>{say(step)}</li>
        ))}
      </ol>
      <p className="hint" lang="en">
        {screens.todo.source(action.source)}
      </p>
    </>
  );
}

/// One version, whole; what it leaves to the rules is folded away.
export function VersionLines({ version }: { version: Version }) {
  const words = useRoomWords();
  const say = useSay();
  const P = words.programmes;
  const lines = linesOf(version, words, say);
  return (
    <div className="programme-lines">
      {SECTIONS.map((section) => {
        const of = lines.filter((line) => line.section === section);
        const rest = of.filter((line) => !line.own);
        return (
          <section key={section} className={`of-${section}`} aria-label={P.sections[section]}>
            <h3>{P.sections[section]}</h3>
            {of.some((line) => line.own) ? <Plain lines={of.filter((line) => line.own)} /> : <p className="hint">{P.none}</p>}
            {rest.length > 0 && (
              <details>
                <summary>{P.usual(rest.length)}</summary>
                <Plain lines={rest} />
              </details>
            )}
          </section>
        );
      })}
    </div>
  );
}

function Plain({ lines }: { lines: Line[] }) {
  return (
    <dl className="said">
      {lines.map((line) => (
        <div key={line.key}>
          <dt>{line.label}</dt>
          <dd>{line.shown ?? line.text}</dd>
        </div>
      ))}
    </dl>
  );
}

/// Two versions side by side: only what is not the same. What a rule brings or takes along is not said besides.
export function Changes({ before, after }: { before: Version; after: Version }) {
  const words = useRoomWords();
  const say = useSay();
  const P = words.programmes;
  const [old, young] = [linesOf(before, words, say), linesOf(after, words, say)];
  const name = (line: Line) => `${line.section}/${line.key}`;
  const [olds, youngs] = [new Map(old.map((one) => [name(one), one])), new Map(young.map((one) => [name(one), one]))];
  const keys = [...new Set([...olds.keys(), ...youngs.keys()])];
  const changed = keys.filter((key) => {
    const [was, is] = [olds.get(key), youngs.get(key)];
    return was?.text !== is?.text && (was?.own || is?.own || (was && is));
  });
  if (changed.length === 0) return <p>{P.same}</p>;
  return (
    <table className="table changes">
      <caption>{P.changes(changed.length)}</caption>
      <thead>
        <tr>
          <th scope="col">{P.what}</th>
          <th scope="col">{P.version(before.version)}</th>
          <th scope="col">{P.version(after.version)}</th>
        </tr>
      </thead>
      {SECTIONS.map((section) => {
        const of = changed.filter((key) => key.startsWith(`${section}/`));
        return (
          of.length > 0 && (
            <tbody key={section}>
              <tr>
                <th scope="rowgroup" colSpan={3} className="changes-section">
                  {P.sections[section]}
                </th>
              </tr>
              {of.map((key) => {
                const [was, is] = [olds.get(key), youngs.get(key)];
                return (
                  <tr key={key}>
                    <th scope="row">{(is ?? was)?.label}</th>
                    <td>{was ? <del>{was.shown ?? was.text}</del> : <span className="hint">{P.notThere}</span>}</td>
                    <td>{is ? <ins>{is.shown ?? is.text}</ins> : <span className="hint">{P.takenOut}</span>}</td>
                  </tr>
                );
              })}
            </tbody>
          )
        );
      })}
    </table>
  );
}
