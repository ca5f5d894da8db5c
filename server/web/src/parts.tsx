/// The small signs that every page uses: priority, trend, values, notices.
import { ExclamationmarkTriangleIcon } from "@navikt/aksel-icons";
import { Button } from "@navikt/ds-react";
import type { ReactNode } from "react";
import { useEffect } from "react";
import { Link } from "wouter";
import { explain } from "./acts";
import { type AlarmBrief, type News2, type Priority, type Value, withheld } from "./api";
import * as format from "./format";
import { useSay, useWords } from "./i18n";

/// IEC 60601-1-8: high red, medium yellow, low cyan; the shape and the number of marks say the same without colour.
const SHAPE: Record<Priority, { outline: string; marks: number[]; top: number; bottom: number }> = {
  high: { outline: "M6.3 1h7.4L19 6.3v7.4L13.7 19H6.3L1 13.7V6.3z", marks: [6, 10, 14], top: 5, bottom: 11.5 },
  medium: { outline: "M10 1.5 19.4 18.5H.6z", marks: [8.2, 11.8], top: 8, bottom: 12.8 },
  low: { outline: "M10 1a9 9 0 1 0 0 18 9 9 0 0 0 0-18z", marks: [10], top: 5, bottom: 11.5 },
};

export function PriorityIcon({ priority }: { priority: Priority }) {
  const { outline, marks, top, bottom } = SHAPE[priority];
  return (
    <svg className="priority-icon" viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
      <path d={outline} className="priority-shape" />
      {marks.map((x) => (
        <path key={x} d={`M${x} ${top}V${bottom}M${x} ${bottom + 2.6}v.4`} className="priority-mark" />
      ))}
    </svg>
  );
}

export function PriorityTag({ alarm }: { alarm: Pick<AlarmBrief, "priority" | "kind"> }) {
  const words = useWords();
  return (
    <span className={`priority priority-${alarm.priority} kind-${alarm.kind}`}>
      <PriorityIcon priority={alarm.priority} />
      {words.priority[alarm.priority]}
    </span>
  );
}

function Trend({ value }: { value: Value }) {
  const words = useWords();
  if (value.trend === null) return <span />;
  const shown = Number(value.trend.toFixed(value.decimals));
  const way = shown > 0 ? "up" : shown < 0 ? "down" : "flat";
  const change = `${format.number(Math.abs(shown), value.decimals)} ${value.unit}`;
  return (
    <span className="trend">
      <svg className={`trend-${way}`} viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
        <path d="M2 8h11M8.5 3.5 13 8l-4.5 4.5" fill="none" stroke="currentColor" strokeWidth="2" />
      </svg>
      <span aria-hidden="true">{way === "flat" ? "" : format.signed(shown, value.decimals)}</span>
      <span className="aksel-sr-only">{way === "flat" ? words.value.flat : words.value[way](change)}</span>
    </span>
  );
}

/// What a device says of a reading that is nothing to note: most spot readings come out of its memory, and each of some
/// kinds says of what sample it is, or where it was taken.
const EVERYDAY = /^(stored$|sample_|site_)/;

/// On which side of the patient's own limits a value lies.
export function outside(value: Value): "below" | "above" | null {
  if (value.low !== null && value.value < value.low) return "below";
  return value.high !== null && value.value > value.high ? "above" : null;
}

/// Values as a small table: what, how much, which way, and the limit where it is passed or where `limits` asks.
export function Values({ values, nowMs, limits = false }: { values: Value[]; nowMs: number; limits?: boolean }) {
  const words = useWords();
  const say = useSay();
  return (
    <dl className="values">
      {values.map((value) => {
        const side = value.stale ? null : outside(value);
        const shown = `${format.number(value.value, value.decimals)} ${value.unit}`;
        const doubts = value.status.filter((word) => !EVERYDAY.test(word));
        const status = doubts.map((word) => words.value.status[word] ?? word).join(", ");
        return (
          <div key={value.channel} className={side ? "is-outside" : value.stale ? "is-stale" : undefined}>
            <dt>{say(value.label)}</dt>
            <dd className="value">{value.stale ? <s>{shown}</s> : shown}</dd>
            {value.stale ? (
              <dd className="value-note">
                {words.age(format.span(nowMs - value.t_ms))}
                <span className="aksel-sr-only"> – {words.value.stale}</span>
              </dd>
            ) : (
              <>
                <dd>
                  <Trend value={value} />
                </dd>
                <dd className="value-note">
                  <Limit value={value} side={side} always={limits} />
                </dd>
                {status && <dd className="value-status">{status}</dd>}
              </>
            )}
            {value.late && (
              <dd className="value-status">
                {words.value.late(format.when(value.t_ms, nowMs), format.when(value.arrived_ms, nowMs))}
              </dd>
            )}
          </div>
        );
      })}
    </dl>
  );
}

function Limit({ value, side, always }: { value: Value; side: "below" | "above" | null; always: boolean }) {
  const words = useWords();
  const limit = (at: number) => format.number(at, value.decimals);
  if (side === "below" && value.low !== null) return <strong>{words.value.below(limit(value.low))}</strong>;
  if (side === "above" && value.high !== null) return <strong>{words.value.above(limit(value.high))}</strong>;
  if (!always) return null;
  if (value.low !== null && value.high !== null)
    return <span>{words.value.limits(limit(value.low), limit(value.high))}</span>;
  if (value.low !== null) return <span>{words.value.limitLow(limit(value.low))}</span>;
  return value.high !== null ? <span>{words.value.limitHigh(limit(value.high))}</span> : null;
}

/// NEWS2 as far as it can be known: "≥ 5 (missing: …)" unless every parameter is there.
export function News2Line({ news2 }: { news2: News2 }) {
  const words = useWords();
  const lacks = news2.lacks.map((channel) => words.news2.channel[channel] ?? channel).join(", ");
  return (
    <p className="news2">
      <span className="news2-score">
        {words.news2.name} {lacks ? `≥ ${news2.total}` : news2.total}
      </span>{" "}
      <span className="news2-lacks">
        ({lacks ? words.news2.missing(lacks) : words.news2.complete}
        {news2.single_red ? `; ${words.news2.singleRed}` : ""})
      </span>
    </p>
  );
}

/// Something that did not go as asked. Spoken at once; not red, for red is the alarm's.
export function Notice({ children }: { children: ReactNode }) {
  return (
    <div className="notice" role="alert">
      <ExclamationmarkTriangleIcon aria-hidden />
      <div>{children}</div>
    </div>
  );
}

/// In the place of what could not be fetched.
export function FailedToLoad({ error, retry }: { error: unknown; retry: () => void }) {
  const words = useWords();
  return (
    <div className="failed">
      <Notice>
        <p>{explain(error, words)}</p>
      </Notice>
      <Button size="small" variant="secondary" onClick={retry}>
        {words.failed.retry}
      </Button>
    </div>
  );
}

/// Over what was fetched before and could not be fetched anew: it may not be how things are.
export function NotRenewed({ query }: { query: { error: unknown; refetch: () => unknown } }) {
  const words = useWords();
  if (!query.error) return null;
  return (
    <div role="alert">
      <p>
        <b>{words.failed.old}</b>
      </p>
      <FailedToLoad error={query.error} retry={() => void query.refetch()} />
    </div>
  );
}

/// What was asked of the server, in its place: on its way, not to be had, or there, and then with a word over it when it
/// could not be fetched anew. What is withheld now is not shown as it was.
export function Fetched<T>({ query, children }: FetchedProps<T>) {
  const words = useWords();
  if (query.data !== undefined && !withheld(query.error))
    return (
      <>
        <NotRenewed query={query} />
        {children(query.data)}
      </>
    );
  if (query.error) return <FailedToLoad error={query.error} retry={() => void query.refetch()} />;
  return <p className="loading">{words.shell.loading}</p>;
}

interface FetchedProps<T> {
  query: { data: T | undefined; error: unknown; refetch: () => unknown };
  children: (data: T) => ReactNode;
}

/// An address that nothing is at: mistyped, or of what has ended since.
export function NotFound() {
  const words = useWords();
  useTitle(words.shell.notFound);
  return (
    <div className="page">
      <h1>{words.shell.notFound}</h1>
      <p>
        {words.shell.notFoundWhat} <Link href="/">{words.shell.toWorklist}</Link>
      </p>
    </div>
  );
}

/// The page's name in the browser's tab and history.
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} – Hjemvakt`;
  }, [title]);
}
