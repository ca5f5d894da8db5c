/// What the watching costs and what it is good for, in numbers; each table also as a file.
import { Select } from "@navikt/ds-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNow } from "../clock";
import * as format from "../format";
import { useLanguage, useRoomWords, useSay } from "../i18n";
import { type Report, type Spread, ask } from "../oncall/asks";
import "../oncall/rota.css";
import { Fetched, PriorityTag, useTitle } from "../parts";
import { untilFetched } from "../queries";

const DAY = 86_400_000;
const HOUR = 3_600_000;

export default function ReportsPage() {
  const words = useRoomWords();
  const R = words.rota.reports;
  const now = useNow(60_000);
  const [days, setDays] = useState("30");
  // To the end of this hour, so that the same question is asked for an hour.
  const to = Math.ceil(now / HOUR) * HOUR;
  const from = to - Number(days) * DAY;
  const report = useQuery({ queryKey: ["report", days, to], queryFn: () => ask.report(from, to), ...untilFetched });
  useTitle(R.title);
  return (
    <div className="page rota reports">
      <div className="page-head">
        <h1>{R.title}</h1>
        <Select size="small" label={R.period} hideLabel value={days} onChange={(event) => setDays(event.target.value)}>
          {Object.entries(R.periods).map(([value, shown]) => (
            <option key={value} value={value}>
              {shown}
            </option>
          ))}
        </Select>
        <p className="lead">
          {format.date(from)} – {format.date(now)}
        </p>
      </div>
      <Fetched query={report}>{(data) => <Figures report={data} />}</Fetched>
    </div>
  );
}

/// So long, as a person says it.
function useLength(): (seconds: number | null) => string {
  const words = useRoomWords();
  return (seconds) => (seconds === null ? "–" : words.length(format.span(seconds * 1000)));
}

function Figures({ report }: { report: Report }) {
  const words = useRoomWords();
  const R = words.rota.reports;
  const { burden } = report;
  const facts: [string, string][] = [
    [R.clinical, format.plain(burden.clinical)],
    [R.technical, format.plain(burden.technical)],
    [R.days, format.number(burden.days, 1)],
    [R.per100, burden.per_100_days === null ? "–" : format.number(burden.per_100_days, 1)],
    [R.escalated, format.plain(report.escalated)],
    [R.climbed, format.plain(report.climbed)],
    [R.unanswered, format.plain(report.unanswered)],
    [R.visits, format.plain(report.visits_avoided)],
    [R.missed, format.plain(report.missed)],
  ];
  return (
    <>
      <dl className="card figures">
        {facts.map(([what, figure]) => (
          <div key={what}>
            <dt>{what}</dt>
            <dd>{figure}</dd>
          </div>
        ))}
      </dl>
      <Download name="summary" report={report} label={R.alarms} />
      <div className="rota-columns">
        <Fast report={report} />
        <Rules report={report} />
      </div>
      <Patients report={report} />
      <Missed report={report} />
    </>
  );
}

function Download({ name, report, label }: { name: string; report: Report; label: string }) {
  const words = useRoomWords();
  const { language } = useLanguage();
  const query = `from_ms=${report.from_ms}&to_ms=${report.to_ms}&language=${language}`;
  return (
    <p className="download">
      <a href={`/api/reports/${name}?${query}`} download={`hjemvakt-${name}.csv`}>
        {words.rota.reports.download}: {label} (CSV)
      </a>
    </p>
  );
}

function Fast({ report }: { report: Report }) {
  const words = useRoomWords();
  const R = words.rota.reports;
  const length = useLength();
  const cells = (one: Spread) => (
    <>
      <td className="num">{length(one.median_s)}</td>
      <td className="num">{length(one.p90_s)}</td>
    </>
  );
  return (
    <section aria-labelledby="fast">
      <h2 id="fast">{R.speed}</h2>
      {report.speed.length === 0 && <p className="none">{R.none}</p>}
      {report.speed.length > 0 && (
        <div className="card">
          <table className="table" aria-labelledby="fast">
            <thead>
              <tr>
                <th scope="col">{R.kind}</th>
                <th scope="col" className="num">
                  {R.alarms}
                </th>
                <th scope="col" className="num">
                  {R.acknowledge}, {R.median}
                </th>
                <th scope="col" className="num">
                  {R.p90}
                </th>
                <th scope="col" className="num">
                  {R.close}, {R.median}
                </th>
                <th scope="col" className="num">
                  {R.p90}
                </th>
              </tr>
            </thead>
            <tbody>
              {report.speed.map((one) => (
                <tr key={one.kind + one.priority}>
                  <th scope="row">
                    <PriorityTag alarm={{ kind: one.kind as "clinical", priority: one.priority as "high" }} />{" "}
                    {words.kind[one.kind as "clinical"]}
                  </th>
                  <td className="num">{one.alarms}</td>
                  {cells(one.acknowledge)}
                  {cells(one.close)}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Rules({ report }: { report: Report }) {
  const R = useRoomWords().rota.reports;
  const say = useSay();
  return (
    <section aria-labelledby="rules">
      <h2 id="rules">{R.rules}</h2>
      {report.rules.length === 0 && <p className="none">{R.none}</p>}
      {report.rules.length > 0 && (
        <div className="card">
          <table className="table" aria-labelledby="rules">
            <thead>
              <tr>
                {[R.rule, R.alarms, R.judged, R.usefulness, R.falseAlarms].map((head, n) => (
                  <th key={head} scope="col" className={n ? "num" : undefined}>
                    {head}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {report.rules.map((one) => (
                <tr key={one.rule}>
                  <th scope="row">{say(one.title)}</th>
                  <td className="num">{one.alarms}</td>
                  <td className="num">{one.judged}</td>
                  <td className="num">{one.usefulness === null ? "–" : format.number(one.usefulness, 1)}</td>
                  <td className="num">{one.false_alarms}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <Download name="rules" report={report} label={R.rules} />
        </div>
      )}
    </section>
  );
}

function Patients({ report }: { report: Report }) {
  const R = useRoomWords().rota.reports;
  return (
    <section aria-labelledby="patients">
      <h2 id="patients">{R.patients}</h2>
      {report.patients.length === 0 && <p className="none">{R.noPatients}</p>}
      {report.patients.length > 0 && (
        <div className="card">
          <table className="table" aria-labelledby="patients">
            <thead>
              <tr>
                {[R.patient, R.days, R.clinical, R.technical, R.per100].map((head, n) => (
                  <th key={head} scope="col" className={n ? "num" : undefined}>
                    {head}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {report.patients.map((one) => (
                <tr key={one.patient}>
                  <th scope="row">{one.name}</th>
                  <td className="num">{format.number(one.days, 1)}</td>
                  <td className="num">{one.clinical}</td>
                  <td className="num">{one.technical}</td>
                  <td className="num">{one.per_100_days === null ? "–" : format.number(one.per_100_days, 1)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <Download name="patients" report={report} label={R.patients} />
        </div>
      )}
    </section>
  );
}

function Missed({ report }: { report: Report }) {
  const words = useRoomWords();
  const R = words.rota.reports;
  return (
    <section aria-labelledby="missed">
      <h2 id="missed">{R.missed}</h2>
      {report.missed_list.length === 0 && <p className="none">{report.missed > 0 ? R.noPatients : R.noneMissed}</p>}
      {report.missed_list.length > 0 && (
        <div className="card">
          <ul className="lines">
            {report.missed_list.map((one) => (
              <li key={one.id}>
                <time>{format.dateTime(one.t_ms)}</time> <b>{one.name}</b> <span>{one.note}</span>
                <span className="hint">{words.screens.missed.by(one.marked_by, format.dateTime(one.marked_ms))}</span>
              </li>
            ))}
          </ul>
          <Download name="missed" report={report} label={R.missed} />
        </div>
      )}
    </section>
  );
}
