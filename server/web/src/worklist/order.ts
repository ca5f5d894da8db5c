/// Who comes first, and how the order is held still under a nurse's hands.
///
/// Order: priority, then the longest wait; an alarm somebody has taken no longer waits, so it comes after those that
/// do. Clinical alarms stand apart from technical ones; then come those about whom only a question is open, and patients
/// of whom nobody wants anything come last.
///
/// While somebody works in the list, every row stays where it was and only its contents change. Patients who would
/// have entered or moved between the groups are counted as new, and those whose alarm has become graver where they stand
/// as worse: a row far below, or out of sight, may have turned red. Both are shown when the list is let go.
import type { AlarmBrief, Priority, WorklistRow } from "../api";

export const GROUPS = ["clinical", "technical", "question", "calm"] as const;
export type Group = (typeof GROUPS)[number];

/// Patient ids of each group, in order.
export type Order = Record<Group, string[]>;

const RANK: Record<Priority, number> = { high: 0, medium: 1, low: 2 };
const rank = (row: WorklistRow): number => (row.priority ? RANK[row.priority] : row.questions.length > 0 ? 3 : 4);
const since = (row: WorklistRow): number =>
  row.waiting_since_ms ?? (row.priority ? undefined : row.questions[0]?.asked_ms) ?? Number.POSITIVE_INFINITY;

function compare(a: WorklistRow, b: WorklistRow): number {
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (since(a) !== since(b)) return since(a) - since(b);
  return a.patient.name.localeCompare(b.patient.name, "nb") || (a.patient.id < b.patient.id ? -1 : 1);
}

export function groupOf(row: WorklistRow): Group {
  if (row.clinical) return "clinical";
  if (row.technical) return "technical";
  return row.questions.length > 0 ? "question" : "calm";
}

export function orderOf(rows: readonly WorklistRow[]): Order {
  const order: Order = { clinical: [], technical: [], question: [], calm: [] };
  for (const row of [...rows].sort(compare)) order[groupOf(row)].push(row.patient.id);
  return order;
}

/// An order as it was when somebody laid hands on the list, and how urgent each patient was.
export interface Held {
  order: Order;
  ranks: ReadonlyMap<string, number>;
}

export const holding = (order: Order, rows: readonly WorklistRow[]): Held => ({
  order,
  ranks: new Map(rows.map((row) => [row.patient.id, rank(row)])),
});

export interface Shown {
  order: Order;
  fresh: readonly WorklistRow[];
  worse: readonly WorklistRow[];
}

/// `held` as it is to be shown now, and what is new since: the rows that stand in another group than before, or nowhere
/// (`fresh`), and those that are graver where they stand (`worse`). Rows that have left the worklist drop out; a closed
/// alarm keeps its place until the list is let go.
export function hold(held: Held, rows: readonly WorklistRow[]): Shown {
  const present = new Set(rows.map((row) => row.patient.id));
  const place = new Map<string, Group>();
  const order: Order = { clinical: [], technical: [], question: [], calm: [] };
  for (const group of GROUPS) {
    order[group] = held.order[group].filter((id) => present.has(id));
    for (const id of order[group]) place.set(id, group);
  }
  const rises = (row: WorklistRow): boolean => {
    const was = place.get(row.patient.id);
    return was === undefined || GROUPS.indexOf(groupOf(row)) < GROUPS.indexOf(was);
  };
  const worsens = (row: WorklistRow): boolean => !rises(row) && rank(row) < (held.ranks.get(row.patient.id) ?? 0);
  return { order, fresh: rows.filter(rises).sort(compare), worse: rows.filter(worsens).sort(compare) };
}

/// The patient after `id` among those with an alarm or a question; from the last, or from elsewhere, the first. None if alone.
export function nextPatient(rows: readonly WorklistRow[], id: string): WorklistRow | null {
  const order = orderOf(rows);
  const ids = [...order.clinical, ...order.technical, ...order.question];
  const next = ids[(ids.indexOf(id) + 1) % ids.length];
  return next === undefined || next === id ? null : (rows.find((row) => row.patient.id === next) ?? null);
}

/// Whether nobody has it: it waits, and the ladder climbs.
export const waits = (alarm: AlarmBrief | null): boolean => alarm?.state === "raised" || alarm?.state === "notified";

/// How many patients have an alarm that nobody has answered.
export const waitingCount = (rows: readonly WorklistRow[]): number =>
  rows.filter((row) => waits(row.clinical) || waits(row.technical)).length;

/// The alarm that a key or the row's first button acts on: the clinical one, unless it is taken already.
export const toAcknowledge = (row: WorklistRow): AlarmBrief | null =>
  [row.clinical, row.technical].find((alarm) => waits(alarm)) ?? null;

/// Told on the patient's page; in the list they would only push the others away.
const ASIDE = new Set(["perfusion_index", "battery"]);

/// The values a nurse scans a list for.
export const forTheList = (row: WorklistRow) => row.latest.filter((value) => !ASIDE.has(value.channel));
