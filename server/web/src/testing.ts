/// What tests are made of: an alarm that nobody has, but for what is said of it.
import type { AlarmBrief } from "./api";

export const alarmBrief = (more: Partial<AlarmBrief> = {}): AlarmBrief => ({
  id: "1",
  kind: "clinical",
  priority: "high",
  state: "notified",
  raised_ms: 0,
  settled: false,
  reasons: [],
  acknowledged_by: null,
  acknowledged_ms: null,
  acknowledge_expires_ms: null,
  undo_until_ms: null,
  cause: null,
  parked: null,
  told: [],
  next_step_ms: null,
  next_step_to: null,
  ...more,
});
