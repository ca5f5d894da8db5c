import { expect, test } from "vitest";
import type { AlarmBrief } from "../api";
import { alarmBrief as alarm } from "../testing";
import { type Deed, mayDo } from "./may";

const all: Deed[] = ["acknowledge", "undo", "assess", "snooze", "hand_over", "escalate", "close", "reopen"];
const may = (one: AlarmBrief, now = 0) => all.filter((deed) => mayDo(one, deed, "Kari", now));

test("an alarm that nobody has is taken, snoozed or escalated, and not closed", () => {
  expect(may(alarm({}))).toEqual(["acknowledge", "snooze", "escalate"]);
});

test("what I have is mine to end, and for two minutes mine to give up", () => {
  const mine = alarm({ state: "acknowledged", acknowledged_by: "Kari", undo_until_ms: 120_000 });
  expect(may(mine, 120_000)).toEqual(["undo", "assess", "snooze", "hand_over", "escalate", "close"]);
  expect(may(mine, 120_001)).toEqual(["assess", "snooze", "hand_over", "escalate", "close"]);
});

test("what a colleague has is theirs to assess, snooze and hand over", () => {
  expect(may(alarm({ state: "assessed", acknowledged_by: "Per" }))).toEqual(["escalate", "close"]);
});

test("what is set aside can be taken, and a closed alarm only opened again", () => {
  for (const state of ["snoozed", "handed_over", "escalated"] as const)
    expect(may(alarm({ state }))).toEqual(["acknowledge", "escalate"]);
  expect(may(alarm({ state: "closed" }))).toEqual(["reopen"]);
});
