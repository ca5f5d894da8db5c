/// The dispenser strip: a line per day, each dose at its hour, with a shape, a word and a colour for how it went.
import { useQuery } from "@tanstack/react-query";
import { type CSSProperties, type RefCallback, useCallback, useRef, useState } from "react";
import { api } from "../api";
import * as format from "../format";
import { type Words, useWords } from "../i18n";
import { FailedToLoad } from "../parts";
import { type Dose, type Fate, byDay, doses, lanes } from "./doses";
import { DAY_MS, HOUR_MS } from "./range";

const ICON_PX = 36;
const LETTER_PX = 6.6;
const DAY_LABEL_PX = 56;
const HOURS = [0, 6, 12, 18];

export function Dispenser({ patient, range_ms, now }: { patient: string; range_ms: number; now: number }) {
  const words = useWords();
  const log = useQuery({
    queryKey: ["curves", patient, "dispenser", range_ms],
    queryFn: () =>
      api.dispenser(patient, new Date(now - Math.max(range_ms, DAY_MS)).setHours(0, 0, 0, 0), Math.ceil(now + DAY_MS)),
  });
  const [box, width_px] = useWidth();
  if (log.isError && !log.data) return <FailedToLoad error={log.error} retry={() => void log.refetch()} />;
  if (!log.data || log.data.length === 0) return null;
  const { doses: all, other } = doses(log.data);
  return (
    <section className="card" aria-labelledby="dispenser">
      <h2 id="dispenser">{words.patient.dispenser}</h2>
      <p className="lead">{words.patient.dispenserWhat}</p>
      {all.length === 0 && <p className="none">{words.patient.noDoses}</p>}
      <div className="dose-days" ref={box}>
        <div className="dose-hours" aria-hidden="true">
          {HOURS.map((hour) => (
            <span key={hour} className={`hour-${hour}`}>
              {String(hour).padStart(2, "0")}
            </span>
          ))}
        </div>
        {byDay(all).map(({ day_ms, doses: same }) => (
          <Day key={day_ms} day_ms={day_ms} doses={same} strip_px={width_px - DAY_LABEL_PX} />
        ))}
      </div>
      {other.length > 0 && (
        <>
          <h3>{words.dose.other}</h3>
          <ul className="dose-other">
            {other
              .slice(-8)
              .reverse()
              .map((event) => (
                <li key={`${event.t_ms} ${event.kind}`}>
                  <time>{format.when(event.t_ms, now)}</time> {words.dose.kind[event.kind] ?? event.kind}
                </li>
              ))}
          </ul>
        </>
      )}
    </section>
  );
}

/// The width of the element the returned ref stands on, in CSS pixels, as it changes.
function useWidth(): [RefCallback<HTMLElement>, number] {
  const [width_px, setWidth] = useState(600);
  const watcher = useRef<ResizeObserver | null>(null);
  const ref = useCallback((element: HTMLElement | null) => {
    watcher.current?.disconnect();
    if (!element) return;
    watcher.current = new ResizeObserver(() => setWidth(element.clientWidth));
    watcher.current.observe(element);
  }, []);
  return [ref, width_px];
}

/// How wide a mark is drawn, in hours of a strip `strip_px` wide: its icon, its padding and its letters.
const markHours = (dose: Dose, words: Words, strip_px: number): number =>
  ((ICON_PX + LETTER_PX * `00:00 ${words.dose[dose.fate]}`.length) / strip_px) * 24;

function Day({ day_ms, doses: same, strip_px }: { day_ms: number; doses: Dose[]; strip_px: number }) {
  const words = useWords();
  const marks = same.map((dose) => {
    const width = markHours(dose, words, strip_px);
    // A mark late in the evening is drawn leftwards, so it stays inside its day.
    return { width, start: Math.min((dose.due_ms - day_ms) / HOUR_MS, 24 - width) };
  });
  const lane = lanes(marks);
  const style = { "--lanes": Math.max(...lane) + 1 } as CSSProperties;
  return (
    <div className="dose-day">
      <h3>{format.day(day_ms)}</h3>
      <ol style={style}>
        {same.map((dose, i) => {
          const at = { "--hour": marks[i]?.start, "--lane": lane[i] } as CSSProperties;
          return (
            <li key={`${dose.id} ${dose.due_ms}`} className={`dose dose-${dose.fate}`} style={at}>
              <DoseShape fate={dose.fate} />
              <span>
                <b>{format.clock(dose.due_ms)}</b> {words.dose[dose.fate]}
                {dose.ended_ms !== null && dose.fate !== "missed" && (
                  <span className="aksel-sr-only"> {words.dose.at(format.clock(dose.ended_ms))}</span>
                )}
              </span>
            </li>
          );
        })}
      </ol>
    </div>
  );
}

/// A shape for each fate, told apart without colour: tick, cross, bars, open ring.
const SHAPES: Record<Fate, string> = {
  retrieved: "M3.5 8.5 7 12l6-8",
  confirmed: "M2 8.5 5 12l4.5-7M8 11l1 1 5-8",
  early: "M3.5 8.5 7 12l6-8M2 3h4",
  missed: "M4 4l8 8M12 4l-8 8",
  delayed: "M8 4v4.500l3 2",
  failed: "M8 3.500v6M8 12v.5",
  waiting: "",
};

function DoseShape({ fate }: { fate: Fate }) {
  return (
    <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      {(fate === "waiting" || fate === "delayed") && <circle cx="8" cy="8" r="6.5" />}
      {fate === "failed" && <path d="M8 1 15.5 15H.5z" />}
      <path d={SHAPES[fate]} />
    </svg>
  );
}
