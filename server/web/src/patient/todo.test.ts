import { describe, expect, it } from "vitest";
import { pointsOf } from "./bands";
import { actionFor } from "./todo";

const says = (nb: string) => ({ nb, en: nb });
const action = (priority: "high" | "medium", rule: string | null, nb: string) => ({
  priority,
  rule,
  do: says(nb),
  steps: [],
  source: "here",
});
const plan = {
  programme: "copd",
  version: "3",
  actions: [action("high", null, "ring"), action("high", "spo2_floor", "finger"), action("medium", null, "later")],
};
const reason = (rule: string, priority: "high" | "medium") => ({
  rule,
  version: "1",
  priority,
  text: says(""),
  because: {},
  t_ms: 0,
  doubted: false,
});

describe("what to do", () => {
  it("is what the programme says of that finding, and else of that priority", () => {
    const found = (...reasons: ReturnType<typeof reason>[]) =>
      actionFor(plan, { kind: "clinical", priority: "high", reasons })?.do.nb;
    expect(found(reason("spo2_floor", "high"))).toBe("finger");
    expect(found(reason("news2", "high"))).toBe("ring");
    expect(found(reason("news2", "high"), reason("spo2_floor", "high"))).toBe("finger");
    expect(found(reason("spo2_floor", "medium"), reason("news2", "high"))).toBe("ring");
  });

  it("of a device that fell silent is not in the patient's programme", () => {
    expect(actionFor(plan, { kind: "technical", priority: "high", reasons: [] })).toBeNull();
  });
});

describe("points of a reading alone", () => {
  const bands = [
    { start: 0, points: 3 },
    { start: 88, points: 0 },
    { start: 93, points: null },
  ];
  it("are those of its band, and unknown where they hang on more", () => {
    expect([87, 88, 92, 93].map((value) => pointsOf({ bands }, value))).toEqual([3, 0, 0, null]);
    expect(pointsOf({ bands: [] }, 90)).toBeNull();
  });
});
