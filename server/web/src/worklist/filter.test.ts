import { describe, expect, it } from "vitest";
import type { WorklistRow } from "../api";
import { EVERYBODY, choices, filtered, narrows } from "./filter";

function row(id: string, organisation: string, place: string, waits = false): WorklistRow {
  const alarm = { state: "notified", priority: "high", acknowledged_by: null };
  const patient = { id, name: id, birth_year: 1940, place, programme: { nb: "KOLS", en: "COPD" }, organisation };
  return { patient, clinical: waits ? alarm : null, technical: null } as WorklistRow;
}

const rows = [row("Solveig", "Saltdal", "Rognan", true), row("Arne", "Bodø", "Havnegata"), row("Eli", "Saltdal", "Røkland")];
const names = (shown: readonly WorklistRow[]) => shown.map((one) => one.patient.id);

describe("a filter", () => {
  it("shows everybody, and the very same rows, where it asks for nothing", () => {
    expect(filtered(rows, EVERYBODY, "Kari").shown).toBe(rows);
    expect(narrows(EVERYBODY)).toBe(false);
  });

  it("of an organisation shows its patients, and says what waits among the others", () => {
    const found = filtered(rows, { ...EVERYBODY, organisations: ["Bodø"] }, "Kari");
    expect(names(found.shown)).toEqual(["Arne"]);
    expect(found).toMatchObject({ hidden: 2, waiting: 1, high: 1 });
    expect(narrows({ ...EVERYBODY, organisations: ["Bodø"] })).toBe(true);
  });

  it("is met where every part of it is", () => {
    const wanted = { ...EVERYBODY, organisations: ["Saltdal"], text: " eL" };
    expect(names(filtered(rows, wanted, "Kari").shown)).toEqual(["Eli"]);
  });

  it("that was kept before there were organisations still holds", () => {
    expect(names(filtered(rows, { places: ["Rognan"], whose: "all", text: "" }, "Kari").shown)).toEqual(["Solveig"]);
  });

  it("offers what there is, each once", () => {
    expect(choices(rows)).toMatchObject({ organisations: ["Bodø", "Saltdal"], places: ["Havnegata", "Rognan", "Røkland"] });
  });
});
