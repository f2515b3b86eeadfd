import { describe, expect, it } from "vitest";
import { parseLine } from "../src/line.js";

describe("the message of a line that says little", () => {
  it.each(["[ERROR]", "[ERROR] ", "2026-01-14 10:22:33 [ERROR] ", "2026-01-14 10:22:33 [ERROR] module.name: "])(
    "is all of %j, besides its level",
    (text) => {
      expect(parseLine(text, 0)).toMatchObject({ message: text, level: "error", source: "text" });
      expect(parseLine(text, 0)).not.toHaveProperty("raw");
    },
  );

  it.each(['{"error":"\\n","level":"error"}', '{"event":" "}'])("is all of %s, where no field can be read", (text) => {
    expect(parseLine(text, 0).message).toBe(text);
  });
});
