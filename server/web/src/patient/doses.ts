/// From the dispenser's log to doses: each DUE opens one, and what follows under the same dose number says how it went.
///
/// There is no "taken": the dispenser sees a dose leave, not a person swallow it. A dose without an ending is waiting,
/// which is not the same as retrieved.
import type { DispenserEvent } from "../api";

export type Fate = "retrieved" | "confirmed" | "early" | "missed" | "delayed" | "failed" | "waiting";

export interface Dose {
  id: number;
  due_ms: number;
  fate: Fate;
  /// When its fate was known; null while it waits.
  ended_ms: number | null;
}

const FATE: Record<string, Fate> = {
  retrieved: "retrieved",
  user_confirmed: "confirmed",
  early: "early",
  missed: "missed",
  delayed: "delayed",
  dispense_fail: "failed",
};

/// A dose that was fetched is fetched: neither a late confirmation nor anything else takes that back.
const FINAL: readonly Fate[] = ["retrieved", "confirmed", "early"];

/// Doses in order of their time, and the events that belong to none. `events` are in order of time.
export function doses(events: readonly DispenserEvent[]): { doses: Dose[]; other: DispenserEvent[] } {
  const all: Dose[] = [];
  const other: DispenserEvent[] = [];
  const latest = new Map<number, Dose>();
  for (const event of events) {
    const fate = FATE[event.kind];
    if (event.kind === "due") {
      const early = latest.get(event.dose_id);
      // Taken out before its time: the DUE that follows is of the same dose.
      if (early?.fate === "early" && early.due_ms === early.ended_ms) {
        early.due_ms = event.t_ms;
        continue;
      }
      const dose: Dose = { id: event.dose_id, due_ms: event.t_ms, fate: "waiting", ended_ms: null };
      latest.set(event.dose_id, dose);
      all.push(dose);
    } else if (fate && event.dose_id !== 0) {
      let dose = latest.get(event.dose_id);
      if (!dose || (fate === "early" && FINAL.includes(dose.fate))) {
        dose = { id: event.dose_id, due_ms: event.t_ms, fate: "waiting", ended_ms: null };
        latest.set(event.dose_id, dose);
        all.push(dose);
      }
      if (!FINAL.includes(dose.fate)) {
        dose.fate = fate;
        dose.ended_ms = event.t_ms;
      }
    } else if (event.kind !== "presented") {
      other.push(event);
    }
  }
  return { doses: all.sort((a, b) => a.due_ms - b.due_ms), other };
}

/// Local calendar days, newest first, each with its doses.
export function byDay(all: readonly Dose[]): { day_ms: number; doses: Dose[] }[] {
  const days = new Map<number, Dose[]>();
  for (const dose of all) {
    const day_ms = new Date(dose.due_ms).setHours(0, 0, 0, 0);
    const same = days.get(day_ms);
    if (same) same.push(dose);
    else days.set(day_ms, [dose]);
  }
  return [...days].map(([day_ms, same]) => ({ day_ms, doses: same })).sort((a, b) => b.day_ms - a.day_ms);
}

/// Which lane each mark is drawn on so that no two overlap. Marks are in order of `start`; the unit is the caller's.
export function lanes(marks: readonly { start: number; width: number }[]): number[] {
  const ends: number[] = [];
  return marks.map(({ start, width }) => {
    const free = ends.findIndex((end) => end <= start);
    const lane = free < 0 ? ends.length : free;
    ends[lane] = start + width;
    return lane;
  });
}
