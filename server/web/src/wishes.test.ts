import { describe, expect, it } from "vitest";
import type { Wish } from "./api";
import { nb } from "./i18n/nb";
import { wished } from "./wishes";

const now = new Date(2026, 10, 1, 8, 0).getTime();

function wish(id: string, label: string, more: Partial<Wish> = {}): Wish {
  return {
    id, why: "sooner", channel: label, label: { nb: label, en: label }, priority: "medium", text: { nb: "Fordi", en: "Because" },
    state: "asked", asked_ms: now, from_ms: now, by_ms: now + 3_600_000, delivered_ms: null, ended_ms: null, ...more,
  };
}

const said = (...wishes: Wish[]) => wished(wishes, now, nb, (text) => text.nb).map(({ text }) => text);

describe("what a home is asked", () => {
  it("is one line where it is wanted by the same time for the same reason", () => {
    expect(said(wish("1", "SpO₂"), wish("2", "Puls"), wish("3", "SpO₂"))).toEqual(["Bedt om ny måling: SpO₂, Puls, før 09:00"]);
  });

  it("keeps apart another time, another reason, what has been shown, and what was told", () => {
    const lines = said(
      wish("1", "SpO₂"),
      wish("2", "Puls", { by_ms: now + 7_200_000 }),
      wish("3", "Vekt", { why: "again" }),
      wish("4", "Temp", { state: "delivered" }),
      wish("5", "", { why: "tell", label: null }),
      wish("6", "", { why: "tell", label: null }),
    );
    expect(lines).toHaveLength(6);
  });
});
