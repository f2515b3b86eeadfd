import { describe, expect, it } from "vitest";
import { entryText } from "../src/entry-text.js";
import { parseLine } from "../src/line.js";
import { createLineEncoder } from "../src/serialize.js";

const encoder = createLineEncoder();
const AT = '"timestamp":"2026-01-14T10:00:00.000Z"';

/** What stands in an entry's text as it stands in its line. */
const inside = (line: string): string => line.slice(1);

describe("a line that livetail wrote", () => {
  it.each([
    ["an event", encoder.event("info", "llm_call_complete", { backend: "openrouter", cost_usd: 0.002, note: "n" })],
    ["an object", encoder.message({ level: "warn", message: "half – done", layer: "fetch", duration_ms: 12 })],
    ["an error", encoder.message(new Error("boom"), { attempt: 2 })],
  ])("stands in its entry as it is: %s", (_, line) => {
    const text = entryText(line, 7);
    expect(text.endsWith(inside(line))).toBe(true);
    expect(JSON.parse(text)).toEqual(parseLine(line, 7));
    expect(JSON.parse(text)).toMatchObject({ index: 7, source: "structured", message: expect.stringMatching(/\w/) });
  });
});

describe("a line of anybody else", () => {
  it.each([
    ["with an index", `{${AT},"level":"info","message":"m","index":3}`],
    ["with a source", `{${AT},"level":"info","message":"m","source":"text"}`],
    ["with a field that nobody knows", `{${AT},"level":"info","message":"m","other":1}`],
    ["with a cost within its metadata", `{${AT},"level":"info","message":"m","metadata":{"cost_usd":1}}`],
    ["with a level of another name", `{${AT},"level":"WARNING","message":"m"}`],
    ["with a time of another form", '{"timestamp":1768384800000,"level":"info","message":"m"}'],
    ["with a text in an envelope", `{${AT},"message":"[ERROR] it broke"}`],
    ["with a field of another type", `{${AT},"level":"info","message":"m","layer":7}`],
    ["over several rows", `{${AT},\n"level":"info",\r\n"message":"m"}`],
    ["without fields", "{ }"],
    ["that is cut off", `{${AT},"level":"info","message":"m`],
    ["that is no object", `{${AT},"level":"info","message":"m"},{}`],
    ["with a prototype", `{${AT},"level":"info","message":"m","__proto__":{"message":"n"}}`],
    ["that is text", "2026-01-14 10:22:33 [INFO] module.name: message"],
  ])("is read for what it says: %s", (_, line) => {
    const text = entryText(line, 7);
    expect(text).not.toMatch(/[\r\n]/);
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(parseLine(line, 7))));
    expect(text.endsWith(inside(line))).toBe(false);
  });
});
