/// What has become worse between two states of the worklist: what a person should hear about.
import type { AlarmBrief, Priority, WorklistRow } from "../api";

export interface News {
  what: "raised" | "worse";
  patient: string;
  alarm: AlarmBrief;
}

const RANK: Record<Priority, number> = { low: 1, medium: 2, high: 3 };
const alarmsOf = (row: WorklistRow): AlarmBrief[] => [row.clinical, row.technical].filter((alarm) => alarm !== null);

/// New alarms and alarms whose priority has risen, worst first. A falling priority or a settled alarm is no news.
export function newsBetween(before: readonly WorklistRow[], after: readonly WorklistRow[]): News[] {
  const known = new Map(before.flatMap(alarmsOf).map((alarm) => [alarm.id, alarm.priority]));
  const news: News[] = [];
  for (const row of after) {
    for (const alarm of alarmsOf(row)) {
      const was = known.get(alarm.id);
      if (was === undefined) news.push({ what: "raised", patient: row.patient.name, alarm });
      else if (RANK[alarm.priority] > RANK[was]) news.push({ what: "worse", patient: row.patient.name, alarm });
    }
  }
  return news.sort((a, b) => RANK[b.alarm.priority] - RANK[a.alarm.priority]);
}

/// What of a row a person would call a change: its alarms and its questions, not each new reading.
export function alarmsKey(row: WorklistRow): string {
  const alarms = alarmsOf(row).map(
    (alarm) => `${alarm.id} ${alarm.priority} ${alarm.state} ${alarm.reasons.length} ${alarm.told.length} ${alarm.parked?.opened_ms}`,
  );
  return [...alarms, ...row.questions.map((question) => `? ${question.id} ${question.version}`)].join("; ");
}

/// Whether anything high is still unanswered.
export const highWaits = (rows: readonly WorklistRow[]): boolean =>
  rows.some((row) =>
    alarmsOf(row).some((a) => a.priority === "high" && (a.state === "raised" || a.state === "notified")),
  );
