import { describe, expect, it } from "vitest";
import type { AlarmBrief, Priority, Question, Worklist, WorklistRow } from "../api";
import { alarmBrief } from "../testing";
import { alarmsKey, highWaits, newsBetween } from "./news";
import { hold, holding, nextPatient, orderOf, toAcknowledge, waitingCount } from "./order";
import { overlay, patchRow } from "./patch";

const alarm = (id: string, priority: Priority, more: Partial<AlarmBrief> = {}) => alarmBrief({ id, priority, ...more });

function row(id: string, more: Partial<WorklistRow> = {}): WorklistRow {
  return {
    patient: {
      id,
      name: id,
      birth_year: 1940,
      place: "Fauske",
      programme: { nb: "KOLS", en: "COPD" },
      organisation: "Salten",
    },
    priority: null,
    waiting_since_ms: null,
    clinical: null,
    technical: null,
    latest: [],
    news2: null,
    last_reading_ms: null,
    gateway_online: true,
    questions: [],
    wishes: [],
    reviewed_ms: null,
    reviewed_by: null,
    ...more,
  };
}

function question(id: string, asked_ms: number): Question {
  return {
    id,
    version: 1,
    because: "weight",
    device: "scale",
    values: [],
    slot: null,
    usual_kg: 74,
    limit_kg: 5.2,
    since_ms: 0,
    asked_ms,
    said: null,
    said_ms: null,
    said_by: null,
    said_from: null,
    home: null,
    home_unknown_ms: null,
  };
}

const ill = (id: string, priority: Priority, waiting_since_ms: number | null): WorklistRow =>
  row(id, { priority, waiting_since_ms, clinical: alarm(`a-${id}`, priority) });

describe("the order of the worklist", () => {
  it("is priority first, then the longest wait, then those somebody has taken", () => {
    const rows = [
      ill("taken", "high", null),
      ill("late", "high", 200),
      ill("mild", "low", 1),
      ill("early", "high", 100),
    ];
    expect(orderOf(rows).clinical).toEqual(["early", "late", "taken", "mild"]);
  });

  it("puts those about whom something is asked before the calm, the longest waiting first", () => {
    const asked = (id: string, asked_ms: number) => row(id, { questions: [question(id, asked_ms)] });
    const rows = [row("calm"), asked("late", 200), asked("early", 100), ill("ill", "low", 300)];
    expect(orderOf(rows)).toEqual({ clinical: ["ill"], technical: [], question: ["early", "late"], calm: ["calm"] });
    expect(nextPatient(rows, "ill")?.patient.id).toBe("early");
    expect(alarmsKey(asked("a", 1))).not.toBe(alarmsKey(row("a")));
  });

  it("keeps technical alarms apart, even high ones, and the calm last", () => {
    const broken = row("broken", {
      priority: "high",
      waiting_since_ms: 1,
      technical: alarm("t", "high", { kind: "technical" }),
    });
    const order = orderOf([row("calm"), broken, ill("ill", "low", 5)]);
    expect(order).toEqual({ clinical: ["ill"], technical: ["broken"], question: [], calm: ["calm"] });
  });

  it("leads from one patient to the next and round to the first, and says when there is nobody else", () => {
    const rows = [ill("a", "high", 1), ill("b", "medium", 1), row("calm")];
    expect(nextPatient(rows, "a")?.patient.id).toBe("b");
    expect(nextPatient(rows, "b")?.patient.id).toBe("a");
    expect(nextPatient(rows, "calm")?.patient.id).toBe("a");
    expect(nextPatient([ill("a", "high", 1)], "a")).toBeNull();
    expect(nextPatient([], "a")).toBeNull();
  });
});

describe("a list held under somebody's hands", () => {
  const before = [ill("a", "medium", 10), ill("b", "low", 20), row("c")];
  const order = orderOf(before);
  const held = holding(order, before);

  it("does not move when a row becomes the most urgent, which may be out of sight: it is counted as worse", () => {
    const worse = ill("b", "high", 20);
    expect(hold(held, [ill("a", "medium", 10), worse, row("c")])).toEqual({ order, fresh: [], worse: [worse] });
  });

  it("says nothing of what stays as it was, or gets better", () => {
    expect(hold(held, [ill("a", "low", 10), ill("b", "low", 20), row("c")])).toEqual({ order, fresh: [], worse: [] });
  });

  it("counts a newcomer and a calm patient who fell ill as new, worst first, and shows neither among the ill yet", () => {
    const after = [...before.slice(0, 2), ill("c", "medium", 30), ill("d", "high", 31)];
    const shown = hold(held, after);
    expect(shown.order).toEqual(order);
    expect(shown.fresh.map((r) => r.patient.id)).toEqual(["d", "c"]);
    expect(shown.worse).toEqual([]);
  });

  it("keeps the place of a row whose alarm was closed, and drops a patient who is gone", () => {
    const { order, fresh } = hold(held, [row("a"), row("c")]);
    expect(order).toEqual({ clinical: ["a"], technical: [], question: [], calm: ["c"] });
    expect(fresh).toEqual([]);
  });
});

describe("live rows", () => {
  const list: Worklist = { version: 1, now_ms: 0, rows: [row("a"), row("b")] };

  it("replace their patient's row and leave the others the same objects", () => {
    const patched = patchRow(list, ill("b", "high", 1));
    expect(patched.rows.map((r) => r.priority)).toEqual([null, "high"]);
    expect(patched.rows[0]).toBe(list.rows[0]);
    expect(list.rows[1]?.priority).toBeNull();
  });

  it("that came while the list was on its way are laid over it, newcomers included", () => {
    const laid = overlay(list, [ill("a", "low", 1), ill("new", "high", 2)]);
    expect(laid.rows.map((r) => [r.patient.id, r.priority])).toEqual([
      ["a", "low"],
      ["b", null],
      ["new", "high"],
    ]);
  });
});

describe("news", () => {
  it("is a new alarm or a risen priority, worst first", () => {
    const before = [ill("a", "low", 1), ill("b", "medium", 1)];
    const after = [ill("a", "medium", 1), ill("b", "medium", 1), ill("c", "high", 2)];
    expect(newsBetween(before, after).map((n) => [n.what, n.patient])).toEqual([
      ["raised", "c"],
      ["worse", "a"],
    ]);
  });

  it("is not a falling priority, an acknowledgement or a closed alarm", () => {
    const taken = row("b", { priority: "medium", clinical: alarm("a-b", "medium", { state: "acknowledged" }) });
    expect(newsBetween([ill("a", "high", 1), ill("b", "medium", 1)], [ill("a", "low", 1), taken])).toEqual([]);
  });

  it("a new reading is no change of the alarms; an acknowledgement is", () => {
    const one = ill("a", "high", 1);
    expect(alarmsKey({ ...one, last_reading_ms: 5 })).toBe(alarmsKey(one));
    expect(alarmsKey(row("a", { clinical: alarm("a-a", "high", { state: "acknowledged" }) }))).not.toBe(alarmsKey(one));
  });

  it("a high alarm waits until somebody has taken it", () => {
    expect(highWaits([ill("a", "high", 1)])).toBe(true);
    expect(
      highWaits([row("a", { clinical: alarm("x", "high", { state: "acknowledged" }) }), ill("b", "medium", 1)]),
    ).toBe(false);
  });
});

describe("what a key acknowledges", () => {
  it("is the clinical alarm, then the technical one, then nothing", () => {
    const technical = alarm("t", "high", { kind: "technical", state: "raised" });
    const both = row("a", { clinical: alarm("c", "low"), technical });
    const taken = row("a", { clinical: alarm("c", "low", { state: "acknowledged" }), technical });
    expect(toAcknowledge(both)?.id).toBe("c");
    expect(toAcknowledge(taken)?.id).toBe("t");
    expect(toAcknowledge(row("a"))).toBeNull();
    expect(waitingCount([both, taken, row("b")])).toBe(2);
  });
});
