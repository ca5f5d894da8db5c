/// What somebody may do to an alarm in the list, where the server has not said it for each person: the table's own rules
/// (server/alarms/model.py). The server decides in the end, and says who was first.
import type { AlarmBrief, AlarmView } from "../api";

export type Deed = AlarmView["actions"][number];

const MAY: Record<AlarmBrief["state"], readonly Deed[]> = {
  raised: ["acknowledge", "snooze", "escalate"],
  notified: ["acknowledge", "snooze", "escalate"],
  acknowledged: ["undo", "assess", "close", "snooze", "hand_over", "escalate"],
  assessed: ["assess", "close", "snooze", "hand_over", "escalate"],
  snoozed: ["acknowledge", "escalate"],
  handed_over: ["acknowledge", "escalate"],
  escalated: ["acknowledge", "escalate"],
  closed: ["reopen"],
};
const OWN: readonly Deed[] = ["undo", "assess", "snooze", "hand_over"];

export function mayDo(alarm: AlarmBrief, deed: Deed, me: string, now: number): boolean {
  if (!MAY[alarm.state].includes(deed)) return false;
  const held = alarm.acknowledged_by !== null;
  if (held && OWN.includes(deed) && alarm.acknowledged_by !== me) return false;
  return deed !== "undo" || (alarm.undo_until_ms !== null && now <= alarm.undo_until_ms);
}
