/// Folding live rows into the list that was fetched.
///
/// The stream is opened before the list is asked for, so a row may arrive while the list is on its way. Such a row is
/// newer than the list's own, or as new: it is laid over the answer (`overlay`), and nothing is lost between the two.
import type { Worklist, WorklistRow } from "../api";

export function patchRow(list: Worklist, row: WorklistRow): Worklist {
  const at = list.rows.findIndex((old) => old.patient.id === row.patient.id);
  const rows = at < 0 ? [...list.rows, row] : list.rows.with(at, row);
  return { ...list, rows };
}

export const overlay = (list: Worklist, rows: Iterable<WorklistRow>): Worklist => [...rows].reduce(patchRow, list);
