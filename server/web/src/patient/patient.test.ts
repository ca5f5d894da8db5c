import { describe, expect, it } from "vitest";
import type { DispenserEvent } from "../api";
import { byDay, doses, lanes } from "./doses";
import { extent, line } from "./range";

const MIN = 60_000;
const event = (minute: number, kind: string, dose_id = 1): DispenserEvent => ({
  t_ms: minute * MIN,
  kind,
  dose_id,
  data: {},
});
const fates = (...events: DispenserEvent[]) => doses(events).doses.map((dose) => dose.fate);

describe("doses from the dispenser's log", () => {
  it("a dose nobody fetched yet is waiting, not retrieved", () => {
    expect(fates(event(0, "due"), event(0, "presented"))).toEqual(["waiting"]);
  });

  it("missed, then fetched after all, is fetched; and a fetched dose stays fetched", () => {
    expect(fates(event(0, "due"), event(30, "missed"), event(40, "retrieved"))).toEqual(["retrieved"]);
    expect(fates(event(0, "due"), event(5, "retrieved"), event(30, "missed"))).toEqual(["retrieved"]);
  });

  it("the same dose number tomorrow is another dose", () => {
    expect(fates(event(0, "due"), event(5, "retrieved"), event(1440, "due"))).toEqual(["retrieved", "waiting"]);
  });

  it("a dose taken out early is one dose, at the hour it was due", () => {
    const { doses: all } = doses([event(0, "early"), event(60, "due")]);
    expect(all).toEqual([{ id: 1, due_ms: 60 * MIN, fate: "early", ended_ms: 0 }]);
  });

  it("an ending whose beginning lies before the log still counts", () => {
    expect(fates(event(3, "missed", 7))).toEqual(["missed"]);
  });

  it("what belongs to no dose is told apart", () => {
    const { doses: all, other } = doses([event(0, "low", 0), event(1, "jam", 0)]);
    expect(all).toEqual([]);
    expect(other.map((e) => e.kind)).toEqual(["low", "jam"]);
  });

  it("days come newest first", () => {
    const noon = new Date(2026, 10, 20, 12).getTime();
    const { doses: all } = doses([
      { t_ms: noon, kind: "due", dose_id: 1, data: {} },
      { t_ms: noon + 24 * 60 * MIN, kind: "due", dose_id: 1, data: {} },
    ]);
    expect(byDay(all).map((d) => new Date(d.day_ms).getDate())).toEqual([21, 20]);
  });

  it("marks that would overlap are drawn on lanes of their own", () => {
    const at = [7, 8, 14].map((start) => ({ start, width: 4 }));
    expect(lanes(at)).toEqual([0, 1, 0]);
  });
});

describe("the line of a trend", () => {
  const good = (n: number) => Array.from({ length: n }, () => true);

  it("has a hole where nobody measured", () => {
    expect(line([0, 1, 2, 20, 21], [5, 5, 5, 9, 9], good(5))).toEqual([
      [0, 1, 2, 11, 20, 21],
      [5, 5, 5, null, 9, 9],
    ]);
  });

  it("has a hole also where everything was measured twice, as by two devices of one clock", () => {
    expect(line([0, 0, 1, 1, 2, 2, 20, 20], [5, 5, 5, 5, 5, 5, 9, 9], good(8))[0]).toContain(11);
  });

  it("does not run through a sample the device doubted", () => {
    expect(line([0, 1, 2], [5, 70, 5], [true, false, true])[1]).toEqual([5, null, 5]);
  });

  it("is empty for no samples and whole for one", () => {
    expect(line([], [], [])).toEqual([[], []]);
    expect(line([3], [7], [true])).toEqual([[3], [7]]);
  });

  it("reaches over a fortnight of a saturation each second", () => {
    const fortnight = Array.from({ length: 14 * 86_400 }, (_, second) => 90 + (second % 9));
    expect(extent(fortnight)).toEqual([90, 98]);
    expect(extent([88])).toEqual([88, 88]);
  });
});
