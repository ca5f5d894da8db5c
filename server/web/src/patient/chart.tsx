/// One vital sign over time: a trend with the patient's own limits, never "the NEWS2 chart". What lies outside the
/// limits is tinted, what the device doubted is a hollow circle outside the line, and silence is a hole in it.
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import { type Readings, type Value, api } from "../api";
import * as format from "../format";
import { useSay, useWords } from "../i18n";
import { FailedToLoad, Values } from "../parts";
import { drawBands, pointsOf } from "./bands";
import { Latest } from "./latest";
import { HOUR_MS, extent, line } from "./range";

const HEIGHT = 116;
const REFETCH_MS = 15_000;
const TABLE_ROWS = 20;
const TIME_STEPS_S = [1, 2, 3, 6, 12, 24, 48, 96, 168].map((hours) => hours * 3600);

interface ChartProps {
  patient: string;
  value: Value;
  range_ms: number;
  now: number;
}

export function Chart({ patient, value, range_ms, now }: ChartProps) {
  const words = useWords();
  const say = useSay();
  const readings = useQuery({
    queryKey: ["curves", patient, value.channel, range_ms],
    queryFn: () => api.readings(patient, value.channel, Math.floor(now - range_ms), Math.ceil(now)),
    refetchInterval: REFETCH_MS,
    placeholderData: (old) => old,
  });
  const label = say(value.label);
  return (
    <figure className="chart">
      <figcaption>
        <Values values={[value]} nowMs={now} limits />
      </figcaption>
      {readings.isError && !readings.data && (
        <FailedToLoad error={readings.error} retry={() => void readings.refetch()} />
      )}
      {readings.data?.t_ms.length === 0 && <p className="none">{words.patient.noReadings}</p>}
      {readings.data && readings.data.t_ms.length > 0 && (
        <>
          <Plot readings={readings.data} from_ms={now - range_ms} to_ms={now} />
          <Table readings={readings.data} label={label} now={now} />
        </>
      )}
      <Latest patient={patient} channel={value.channel} label={label} now={now} />
    </figure>
  );
}

const INK = "#202733";
const GRID = "#e1e3e7";
const TINT = "#fdf0c2";
const LIMIT = "#7a5a00";
const LINE = "#005bb6";
const FONT = '12px "Source Sans 3 Variable", "Source Sans 3", sans-serif';

/// Tints what lies outside the patient's limits and draws the limits themselves.
function drawLimits(plot: uPlot, low: number | null, high: number | null): void {
  const { left, top, width, height } = plot.bbox;
  const { ctx } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  const band = (limit: number, upwards: boolean) => {
    const y = plot.valToPos(limit, "y", true);
    ctx.fillStyle = TINT;
    ctx.fillRect(left, upwards ? top : y, width, upwards ? Math.max(0, y - top) : Math.max(0, top + height - y));
    ctx.strokeStyle = LIMIT;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(left, y);
    ctx.lineTo(left + width, y);
    ctx.stroke();
  };
  if (low !== null) band(low, false);
  if (high !== null) band(high, true);
  ctx.restore();
}

/// The values' own span, widened to show the limits and never so narrow that noise looks like a fall.
function scaleOf({ value, low, high, decimals }: Readings): [number, number] {
  const [least, most] = extent([...value, ...[low, high].filter((limit) => limit !== null)]);
  const pad = Math.max((most - least) * 0.12, 2 * 10 ** -decimals);
  return [least - pad, most + pad];
}

function columns(readings: Readings): uPlot.AlignedData {
  const [times, values] = line(readings.t_ms, readings.value, readings.good);
  const doubtful = new Map(
    readings.t_ms.flatMap((t, i) => (readings.good[i] ? [] : [[t, readings.value[i] ?? null]])) as [number, number][],
  );
  return [times.map((t) => t / 1000), values, times.map((t) => doubtful.get(t) ?? null)];
}

/// What a plot shows; it asks anew at each drawing, so that time and data can move on under it.
interface Shown {
  readings: Readings;
  from_ms: number;
  to_ms: number;
}

/// What stands under the pointer (the charts share it), or nothing.
function underPointer(plot: uPlot, { readings }: Shown): string {
  const at = plot.cursor.idx;
  if (at === null || at === undefined) return "";
  const t_s = plot.data[0][at];
  const value = plot.data[1]?.[at] ?? plot.data[2]?.[at];
  if (t_s === undefined || value === null || value === undefined) return "";
  return `${format.day(t_s * 1000)} ${format.clock(t_s * 1000)}  ${format.number(value, readings.decimals)} ${readings.unit}`;
}

function optionsFor(shown: () => Shown, width: number, readout: (text: string) => void): uPlot.Options {
  const axis = { stroke: INK, font: FONT, grid: { stroke: GRID, width: 1 }, ticks: { show: false } };
  const timeWord = (t_ms: number) =>
    shown().to_ms - shown().from_ms > 36 * HOUR_MS ? format.day(t_ms) : format.clock(t_ms);
  const limits = (plot: uPlot) => {
    drawLimits(plot, shown().readings.low, shown().readings.high);
    drawBands(plot, shown().readings.bands);
  };
  return {
    width,
    height: HEIGHT,
    padding: [8, 12, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: "trends" }, drag: { x: false, y: false }, y: false },
    scales: {
      x: { time: true, range: () => [shown().from_ms / 1000, shown().to_ms / 1000] },
      y: { range: () => scaleOf(shown().readings) },
    },
    axes: [
      {
        ...axis,
        size: 24,
        gap: 2,
        space: 70,
        incrs: TIME_STEPS_S,
        values: (_, at) => at.map((s) => timeWord(s * 1000)),
      },
      {
        ...axis,
        size: 46,
        gap: 4,
        space: 20,
        values: (_, at) => at.map((v) => format.number(v, Math.min(shown().readings.decimals, 1))),
      },
    ],
    series: [
      {},
      { stroke: LINE, width: 2, points: { show: (plot) => plot.data[0].length < plot.width / 5, size: 5, fill: LINE } },
      { stroke: INK, width: 0, points: { show: true, size: 8, width: 1.5, fill: "#fff", stroke: INK } },
    ],
    hooks: { drawClear: [limits], setCursor: [(plot) => readout(underPointer(plot, shown()))] },
  };
}

function Plot({ readings, from_ms, to_ms }: Shown) {
  const box = useRef<HTMLDivElement>(null);
  const pointed = useRef<HTMLSpanElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shown = useRef<Shown>({ readings, from_ms, to_ms });
  shown.current = { readings, from_ms, to_ms };
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const readout = (text: string) => {
      if (pointed.current) pointed.current.textContent = text;
    };
    const made = new uPlot(
      optionsFor(() => shown.current, element.clientWidth, readout),
      undefined,
      element,
    );
    plot.current = made;
    const fit = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    fit.observe(element);
    return () => {
      fit.disconnect();
      made.destroy();
    };
  }, []);
  // The time axis moves in five-hundredths of its range: enough for the eye, and no redraw each second.
  const step = Math.floor((to_ms / (to_ms - from_ms)) * 500);
  useEffect(() => plot.current?.setData(columns(readings)), [readings, step]);
  return (
    <div className="plot" aria-hidden="true">
      <span ref={pointed} className="pointed" />
      <div ref={box} />
    </div>
  );
}

/// The same for whoever cannot see the curve.
function Table({ readings, label, now }: { readings: Readings; label: string; now: number }) {
  const words = useWords();
  const scored = readings.bands.length > 0;
  const last = readings.t_ms
    .map((t, i) => ({ t, value: readings.value[i] ?? 0, good: readings.good[i] }))
    .slice(-TABLE_ROWS)
    .reverse();
  return (
    <details>
      <summary>{words.patient.table(label)}</summary>
      <table>
        <thead>
          <tr>
            <th scope="col">{words.patient.time}</th>
            <th scope="col">{words.patient.reading}</th>
            <th scope="col">{words.patient.quality}</th>
            {scored && <th scope="col">{words.screens.bands.legend}</th>}
          </tr>
        </thead>
        <tbody>
          {last.map(({ t, value, good }, i) => (
            <tr key={i}>
              <td>{format.when(t, now)}</td>
              <td>
                {format.number(value, readings.decimals)} {readings.unit}
              </td>
              <td>{good ? words.patient.good : words.value.doubtful}</td>
              {scored && <td>{pointsOf(readings, value) ?? words.unknown}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
