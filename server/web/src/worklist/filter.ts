/// Which patients a filter shows, and what it would be dangerous not to say of those it hides.
import type { AlarmBrief, Wanted, WorklistRow } from "../api";

export const EVERYBODY: Wanted = { organisations: [], places: [], programmes: [], whose: "all", text: "" };

const alarmsOf = (row: WorklistRow): AlarmBrief[] => [row.clinical, row.technical].filter((alarm) => alarm !== null);
const waits = (alarm: AlarmBrief): boolean => alarm.state === "raised" || alarm.state === "notified";
const norwegian = (text: string): string => text.trim().toLocaleLowerCase("nb");

/// `me`: the name of who is signed in.
function fits(row: WorklistRow, wanted: Wanted, me: string): boolean {
  const { patient } = row;
  const { organisations = [], places = [], programmes = [], whose = "all", text = "" } = wanted;
  if (organisations.length > 0 && !organisations.includes(patient.organisation)) return false;
  if (places.length > 0 && !places.includes(patient.place)) return false;
  if (programmes.length > 0 && !programmes.includes(patient.programme.nb)) return false;
  if (whose === "mine" && !alarmsOf(row).some((alarm) => !waits(alarm) && alarm.acknowledged_by === me)) return false;
  if (whose === "unclaimed" && !alarmsOf(row).some(waits)) return false;
  return norwegian(patient.name).includes(norwegian(text));
}

export interface Filtered {
  shown: readonly WorklistRow[];
  hidden: number;
  /// Hidden patients with an alarm that nobody has taken, and how many of those alarms are high.
  waiting: number;
  high: number;
}

/// The same array where nothing is hidden, so that nothing is drawn anew.
export function filtered(rows: readonly WorklistRow[], wanted: Wanted, me: string): Filtered {
  const shown = rows.filter((row) => fits(row, wanted, me));
  if (shown.length === rows.length) return { shown: rows, hidden: 0, waiting: 0, high: 0 };
  const kept = new Set(shown);
  const waiting = rows.filter((row) => !kept.has(row) && alarmsOf(row).some(waits));
  const high = waiting.filter((row) => alarmsOf(row).some((alarm) => waits(alarm) && alarm.priority === "high"));
  return { shown, hidden: rows.length - shown.length, waiting: waiting.length, high: high.length };
}

export const narrows = (wanted: Wanted): boolean =>
  (wanted.organisations ?? []).length > 0 ||
  (wanted.places ?? []).length > 0 ||
  (wanted.programmes ?? []).length > 0 ||
  (wanted.whose ?? "all") !== "all" ||
  (wanted.text ?? "").trim() !== "";

const sorted = (names: readonly string[]): string[] => [...new Set(names)].sort((a, b) => a.localeCompare(b, "nb"));

/// What there is to choose from: each organisation and place, and each programme by its title in Bokmål with the patient's own words.
export function choices(rows: readonly WorklistRow[]) {
  const organisations = sorted(rows.map((row) => row.patient.organisation));
  const places = sorted(rows.map((row) => row.patient.place));
  const programmes = [...new Map(rows.map((row) => [row.patient.programme.nb, row.patient.programme])).values()];
  return { organisations, places, programmes: programmes.sort((a, b) => a.nb.localeCompare(b.nb, "nb")) };
}
