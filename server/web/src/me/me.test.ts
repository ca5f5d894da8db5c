import { expect, test } from "vitest";
import { browserName } from "./push";
import { offered } from "./waits";

test("a browser is known by its name and its machine", () => {
  const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";
  expect(browserName(chrome)).toBe("Chrome, Linux");
  expect(browserName(`${chrome} Edg/140.0`)).toBe("Edge, Linux");
  expect(browserName("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) AppleWebKit Version/18 Safari/604.1")).toBe(
    "Safari, iPhone",
  );
  expect(browserName("something of one's own")).toBe("");
});

test("only waits that no ladder outruns are offered", () => {
  expect(offered(300)).toEqual([0, 1, 2, 3, 4]);
  expect(offered(301)).toContain(5);
  expect(offered(3601).at(-1)).toBe(30);
  expect(offered(45)).toEqual([0]);
});
