/// What a version would have done on the last days, held against what is in force.
import { Button, Select } from "@navikt/ds-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { Link } from "wouter";
import { say as speak } from "../announce";
import * as format from "../format";
import { useRoomWords, useSay } from "../i18n";
import { Notice, PriorityTag } from "../parts";
import { type Outcome, type Version, type WhatIf, type Which, ask, underWay, whatIfQuery, whyNot } from "./asks";

const DAYS = ["7", "14", "30", "90"];

export function TryOut({ name, now, version, which }: { name: string; now: Version; version: Version; which: Which }) {
  const words = useRoomWords();
  const P = words.programmes;
  const queries = useQueryClient();
  const [days, setDays] = useState("14");
  const newest = useQuery(whatIfQuery);
  const begin = useMutation({
    mutationFn: () => ask.tryOut({ programme: name, days: Number(days), ...which }),
    networkMode: "always",
    // An answer that was on its way when it began would say that nothing is under way, and nobody would ask again.
    onMutate: () => queries.cancelQueries(whatIfQuery),
    onSuccess: (begun) => queries.setQueryData(whatIfQuery.queryKey, begun),
    onError: () => void newest.refetch(),
  });
  const stop = useMutation({ mutationFn: ask.stop, networkMode: "always", onSuccess: () => newest.refetch() });
  const one = newest.data ?? null;
  const busy = underWay(one);
  const mine = one !== null && one.programme === name && one.digest === version.digest;
  useSpoken(mine ? one : null);
  return (
    <section className="card" aria-labelledby="whatif">
      <h2 id="whatif">{P.whatif.title}</h2>
      <p className="hint">{P.whatif.lead}</p>
      <div className="actions">
        <Select size="small" label={P.whatif.days} hideLabel value={days} onChange={(event) => setDays(event.target.value)}>
          {DAYS.map((count) => (
            <option key={count} value={count}>
              {P.whatif.last(count)}
            </option>
          ))}
        </Select>
        <Button size="small" variant="secondary" loading={begin.isPending} disabled={busy && mine} onClick={() => begin.mutate()}>
          {P.whatif.begin}
        </Button>
        {busy && (
          <Button size="small" variant="tertiary" loading={stop.isPending} onClick={() => stop.mutate()}>
            {P.whatif.stop}
          </Button>
        )}
      </div>
      {begin.isError && (
        <Notice>
          <p>{whyNot(begin.error, words, P.whatif.busy)}</p>
        </Notice>
      )}
      {one && busy && <Progress one={one} />}
      {one && mine && one.problem && (
        <Notice>
          <p>{one.problem}</p>
        </Notice>
      )}
      {mine && one.state === "stopped" && <p>{P.whatif.stopped}</p>}
      {mine && one.outcome && <Found one={one} outcome={one.outcome} versions={[now, version]} />}
    </section>
  );
}

/// That it is over is spoken, once.
function useSpoken(one: WhatIf | null): void {
  const { programmes } = useRoomWords();
  const before = useRef(one?.state);
  useEffect(() => {
    if (underWay({ state: before.current } as WhatIf) && one && !underWay(one)) speak("polite", programmes.whatif.over[one.state] ?? "");
    before.current = one?.state;
  }, [one, programmes]);
}

function Progress({ one }: { one: WhatIf }) {
  const P = useRoomWords().programmes;
  const share = one.of > 0 ? Math.floor((100 * one.done) / one.of) : null;
  return (
    <div className="whatif-progress">
      <progress aria-label={P.whatif.progress} value={share ?? undefined} max={100} />
      <span>
        {one.programme} {one.version}, {one.by}: {share === null ? P.whatif.gathering : `${share} %`}
      </span>
    </div>
  );
}

function Found({ one, outcome, versions }: { one: WhatIf; outcome: Outcome; versions: Version[] }) {
  const words = useRoomWords();
  const say = useSay();
  const P = words.programmes;
  const { before, after } = outcome;
  const often = (value: number | null) => (value === null ? P.whatif.short : format.number(value, 1));
  const levels = (["high", "medium", "low"] as const).filter((level) => before.by_level[level] || after.by_level[level]);
  const titles = new Map(versions.flatMap((version) => version.rules.map((rule) => [rule.name, say(rule.title)])));
  const rules = [...new Set([...Object.keys(before.by_rule), ...Object.keys(after.by_rule)])];
  const rows: [string, string, string][] = [
    [P.whatif.per100, often(before.per_100_patient_days), often(after.per_100_patient_days)],
    [P.whatif.touched, format.plain(before.touched), format.plain(after.touched)],
    [P.whatif.alarms, format.plain(before.alarms), format.plain(after.alarms)],
    ...levels.map((level): [string, string, string] => [
      P.whatif.level(words.priority[level]), format.plain(before.by_level[level] ?? 0), format.plain(after.by_level[level] ?? 0),
    ]),
    ...rules.map((rule): [string, string, string] => [
      P.whatif.rule(titles.get(rule) ?? rule), format.plain(before.by_rule[rule] ?? 0), format.plain(after.by_rule[rule] ?? 0),
    ]),
  ];
  return (
    <div className="whatif-found">
      <table className="table">
        <caption>{P.whatif.on(one.days, outcome.patients, format.number(outcome.patient_days, 1))}</caption>
        <thead>
          <tr>
            <th scope="col">{P.what}</th>
            <th scope="col" className="num">{P.whatif.now(one.against)}</th>
            <th scope="col" className="num">{P.version(one.version)}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([what, was, is]) => (
            <tr key={what} className={was === is ? undefined : "is-changed"}>
              <th scope="row">{what}</th>
              <td className="num">{was}</td>
              <td className="num">{is}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p>{P.whatif.stay(outcome.stay, outcome.higher, outcome.lower)}</p>
      <Alarms title={P.whatif.come(outcome.comes)} found={outcome.come} of={outcome.comes} />
      <Alarms title={P.whatif.go(outcome.goes)} found={outcome.go} of={outcome.goes} />
    </div>
  );
}

function Alarms({ title, found, of }: { title: string; found: Outcome["come"]; of: number }) {
  const words = useRoomWords();
  const say = useSay();
  const P = words.programmes;
  return (
    <section aria-label={title}>
      <h3>{title}</h3>
      {found.length > 0 && (
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{P.whatif.patient}</th>
              <th scope="col">{P.whatif.priority}</th>
              <th scope="col">{P.whatif.found}</th>
              <th scope="col">{P.whatif.opened}</th>
              <th scope="col" className="num">{P.whatif.lasts}</th>
            </tr>
          </thead>
          <tbody>
            {found.map((one, n) => (
              <tr key={n}>
                <td>
                  <Link href={`/patient/${one.patient_id}`}>{one.patient}</Link>
                </td>
                <td>
                  <PriorityTag alarm={one} />
                </td>
                <td>{say(one.rule)}</td>
                <td>{format.dateTime(one.opened_ms)}</td>
                <td className="num">{words.length(format.span(one.hours * 3_600_000))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {of > found.length && <p className="hint">{P.whatif.more(of - found.length)}</p>}
    </section>
  );
}
