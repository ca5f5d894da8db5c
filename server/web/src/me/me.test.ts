import { expect, test } from "vitest";
import { browserName } from "./push";

test("a browser is known by its name and its machine", () => {
  const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";
  expect(browserName(chrome)).toBe("Chrome, Linux");
  expect(browserName(`${chrome} Edg/140.0`)).toBe("Edge, Linux");
  expect(browserName("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) AppleWebKit Version/18 Safari/604.1")).toBe(
    "Safari, iPhone",
  );
  expect(browserName("something of one's own")).toBe("");
});
