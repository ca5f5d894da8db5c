import { describe, expect, it } from "vitest";
import { LANGUAGES, complete, speech } from "./language";
import { nb } from "./nb";
import { rooms } from "./rooms.nb";

describe("a language", () => {
  it("is a file by its code and its own name, Bokmål first", () => {
    expect(LANGUAGES.slice(0, 2)).toEqual([
      { code: "nb", name: "Norsk" },
      { code: "en", name: "English" },
    ]);
  });

  it("shows what it lacks in Bokmål, marked, and its own words as they are", () => {
    const nynorsk = complete({ unknown: "ukjend", shell: { menu: "Hovudmeny" } }, nb);
    expect(nynorsk.unknown).toBe("ukjend");
    expect(nynorsk.shell.menu).toBe("Hovudmeny");
    expect(nynorsk.shell.signOut).toBe(`${nb.shell.signOut} [nb]`);
    expect(nynorsk.years(78)).toBe("78 år [nb]");
    expect(nynorsk.worklist.title).toBe("Arbeidsliste [nb]");
  });

  it("that is complete is nowhere marked", async () => {
    const english = await speech("en");
    expect(JSON.stringify([english.words, await english.rooms()])).not.toContain("[nb]");
  });

  it("keeps a list a list, its own or a marked one", async () => {
    const { weekdays } = (await (await speech("en")).rooms()).rota;
    expect(weekdays.map((day) => day.slice(0, 2))).toContain("Mo");
    expect(complete({}, rooms).rota.weekdays.map((day) => day)).toContain("mandag [nb]");
  });

  it("that is nowhere is refused by name", async () => {
    await expect(speech("xx")).rejects.toThrow("no language xx");
  });
});
