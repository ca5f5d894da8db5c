import { describe, expect, it } from "vitest";
import * as format from "./format";
import { phones } from "./phone/phones";

const at = new Date(2026, 10, 1, 8, 5, 9).getTime();

describe("numbers and times as written in Norway", () => {
  it("have a comma, and the decimals they were measured with", () => {
    expect(format.number(82.4, 1)).toBe("82,4");
    expect(format.number(2, 2)).toBe("2,00");
    expect(format.plain(0.05)).toBe("0,05");
  });

  it("show the sign of a change, and none for no change", () => {
    expect(format.signed(0.9, 1)).toBe("+0,9");
    expect(format.signed(-6, 0)).toBe("−6");
    expect(format.signed(-0.04, 1)).toBe("0,0");
  });

  it("are dated 01.11.2026 08:05, and only by the clock when it is today", () => {
    expect(format.dateTime(at)).toBe("01.11.2026 08:05");
    expect(format.clockSeconds(at)).toBe("08:05:09");
    expect(format.when(at, at + 60_000)).toBe("08:05");
    expect(format.when(at, at + 86_400_000)).toBe("01.11. 08:05");
  });

  it("lengths of time take the largest unit that says enough", () => {
    expect(format.span(59_999)).toEqual([59, "s"]);
    expect(format.span(89 * 60_000)).toEqual([89, "min"]);
    expect(format.span(47 * 3_600_000)).toEqual([47, "h"]);
    expect(format.span(49 * 3_600_000)).toEqual([2, "d"]);
    expect(format.span(-5)).toEqual([0, "s"]);
  });
});

describe("the fake phones", () => {
  const message = (id: number, to: string) => ({
    id,
    to,
    t_ms: id,
    role: "nurse" as const,
    channel: "sms",
    text: "",
    alarm_id: "a",
  });

  it("stand with the latest first, each with its newest message on top", () => {
    const shelf = phones([message(1, "Kari"), message(2, "Ola"), message(3, "Kari")]);
    expect(shelf.map((p) => [p.to, p.newestFirst.map((m) => m.id)])).toEqual([
      ["Kari", [3, 1]],
      ["Ola", [2]],
    ]);
  });
});
