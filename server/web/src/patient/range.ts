/// The time ranges of the trends, and cutting a line where there was silence.
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

export const RANGES = { h6: 6 * HOUR_MS, h24: DAY_MS, d3: 3 * DAY_MS, d14: 14 * DAY_MS };
export type Range = keyof typeof RANGES;

const GAP = 4;

/// `t_ms` and `value` as two columns with a hole (`null`) in every silence longer than four times the usual step, so
/// that a line never runs through time that nobody measured. Doubtful samples (`good` false) are not part of the line.
export function line(
  t_ms: readonly number[],
  value: readonly number[],
  good: readonly boolean[],
): [number[], (number | null)[]] {
  const steps = t_ms.slice(1).map((t, i) => t - (t_ms[i] ?? t));
  const apart = steps.filter((step) => step > 0); // two of one moment say nothing of how often it is measured
  const usual = apart.toSorted((a, b) => a - b)[Math.floor(apart.length / 2)] ?? 0;
  const times: number[] = [];
  const values: (number | null)[] = [];
  t_ms.forEach((t, i) => {
    const before = t_ms[i - 1];
    if (before !== undefined && usual > 0 && t - before > GAP * usual) {
      times.push((before + t) / 2);
      values.push(null);
    }
    times.push(t);
    values.push(good[i] ? (value[i] ?? null) : null);
  });
  return [times, values];
}

/// The least and the most of them. A saturation each second is more than a call takes as arguments (`Math.min(...all)`).
export function extent(all: readonly number[]): [number, number] {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of all) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return [least, most];
}
