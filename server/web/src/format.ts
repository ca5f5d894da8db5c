/// Numbers and times as they are written in Norway, whichever language the words are in: 82,4 kg, 21.11.2026 08:05.
/// (Browsers lack number and date data for Nynorsk and Northern Sámi; `nb-NO` is always there.)
const LOCALE = "nb-NO";
const MIN = 60_000;
const HOUR = 60 * MIN;
const DAY = 24 * HOUR;

const time = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit" });
const timeSeconds = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const fullDate = new Intl.DateTimeFormat(LOCALE, { day: "2-digit", month: "2-digit", year: "numeric" });

const numbers = new Map<string, Intl.NumberFormat>();

function numberFormat(min: number, max: number, sign: boolean): Intl.NumberFormat {
  const key = `${min}|${max}|${sign}`;
  let format = numbers.get(key);
  if (!format) {
    format = new Intl.NumberFormat(LOCALE, {
      minimumFractionDigits: min,
      maximumFractionDigits: max,
      signDisplay: sign ? "exceptZero" : "auto",
    });
    numbers.set(key, format);
  }
  return format;
}

/// `value` with exactly `decimals` decimals: 82.4 -> "82,4".
export const number = (value: number, decimals: number): string =>
  numberFormat(decimals, decimals, false).format(value);

/// With its sign: 0.9 -> "+0,9", −6 -> "−6", 0 -> "0".
export const signed = (value: number, decimals: number): string => numberFormat(decimals, decimals, true).format(value);

/// With as many decimals as it needs, two at most.
export const plain = (value: number): string => numberFormat(0, 2, false).format(value);

export const clock = (t_ms: number): string => time.format(t_ms);
export const clockSeconds = (t_ms: number): string => timeSeconds.format(t_ms);
export const date = (t_ms: number): string => fullDate.format(t_ms);

/// The date without its year: "21.11." (`nb-NO` on its own writes "1.2." for 01.02.).
export const day = (t_ms: number): string => date(t_ms).slice(0, 6);

export const dateTime = (t_ms: number): string => `${date(t_ms)} ${time.format(t_ms)}`;

/// Only the time of day when it is today, with the date otherwise.
export const when = (t_ms: number, now_ms: number): string =>
  date(t_ms) === date(now_ms) ? clock(t_ms) : `${day(t_ms)} ${clock(t_ms)}`;

/// A length of time in the largest unit that says enough: [12, "min"]. Below 48 h hours, below 90 min minutes.
export type Span = [count: number, unit: "s" | "min" | "h" | "d"];
export function span(length_ms: number): Span {
  const length = Math.max(0, length_ms);
  if (length < MIN) return [Math.floor(length / 1000), "s"];
  if (length < 90 * MIN) return [Math.floor(length / MIN), "min"];
  if (length < 2 * DAY) return [Math.floor(length / HOUR), "h"];
  return [Math.floor(length / DAY), "d"];
}
