/// NEWS2's points for a reading alone, as a strip beside the curve. Grey and not red: the points of one reading call
/// nobody, and a trend with a strip is no NEWS2 chart.
import type uPlot from "uplot";
import type { Readings } from "../api";

const STRIP_PX = 7;
const SHADE = ["#ffffff", "#d5dae1", "#98a2b1", "#4c5668"];
const EDGE = "#98a2b1";

/// The points of a value, or null where they hang on more than the value or the channel has none.
export function pointsOf({ bands }: Pick<Readings, "bands">, value: number): number | null {
  return bands.findLast((band) => band.start <= value)?.points ?? null;
}

/// Draws the strip along the left side of the plot. Where the points hang on more, it is left hatched.
export function drawBands(plot: uPlot, bands: Readings["bands"]): void {
  if (bands.length === 0) return;
  const { left, top, height } = plot.bbox;
  const { ctx } = plot;
  const width = STRIP_PX * devicePixelRatio;
  const y = (value: number) => Math.min(top + height, Math.max(top, plot.valToPos(value, "y", true)));
  ctx.save();
  bands.forEach((band, i) => {
    const next = bands[i + 1];
    const from = i === 0 ? top + height : y(band.start);
    const to = next ? y(next.start) : top;
    ctx.fillStyle = SHADE[band.points ?? 0] ?? SHADE[0] ?? "";
    ctx.fillRect(left, to, width, from - to);
    if (band.points !== null) return;
    ctx.strokeStyle = EDGE;
    ctx.beginPath();
    for (let at = to; at < from; at += 4 * devicePixelRatio) {
      ctx.moveTo(left, at);
      ctx.lineTo(left + width, at);
    }
    ctx.stroke();
  });
  ctx.strokeStyle = EDGE;
  ctx.lineWidth = devicePixelRatio;
  ctx.strokeRect(left, top, width, height);
  ctx.restore();
}
