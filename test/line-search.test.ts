import { describe, expect, it } from "vitest";
import { LineRows } from "../src/panel/line-rows.js";
import { LineSearch, textOf } from "../src/panel/line-search.js";
import { logEntry } from "./support/log-entry.js";

const never = () => false;

function rowsOf(...messages: string[]) {
  const rows = new LineRows(100_000, never);
  for (const [index, message] of messages.entries()) rows.line(logEntry(index, message));
  return rows;
}

/** The indexes that a search goes through, from the first match on. */
function found(query: string, ...messages: string[]): number[] {
  const search = new LineSearch(query);
  search.scan(rowsOf(...messages).rows, never);
  return Array.from({ length: search.count }, () => search.step(search.current?.seq ?? -1, 1)?.index ?? -1);
}

describe("a search", () => {
  it("finds a text whatever the case of its letters", () => {
    expect(found("ERROR", "an Error", "fine", "error: x", "erro r")).toEqual([0, 2]);
    expect(found("äö", "ÄÖ", "ao")).toEqual([0]);
  });

  it("takes no character for an operator", () => {
    expect(found("a.*(b)[c]\\d/$", "a.*(b)[c]\\d/$", "axx(b)c1")).toEqual([0]);
    expect(found("1+1", "11", "1+1=2")).toEqual([1]);
  });

  it("sees what is shown: no colours in the midst of a word, and what was written over not at all", () => {
    expect(found("failed", "fa\u001b[31miled\u001b[0m", "failed\rpassed", "31m")).toEqual([0]);
    expect(found("31m", "fa\u001b[31miled")).toEqual([]);
  });

  it("stops when it is late and goes on where it stopped", () => {
    const { rows } = rowsOf(...Array.from({ length: 1000 }, (_, i) => `line ${i}`));
    const search = new LineSearch("line");
    expect(search.scan(rows, () => true)).toBe(false);
    const first = search.count;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(1000);
    const counts = [first];
    while (!search.scan(rows, () => true)) counts.push(search.count);
    expect(counts).toEqual(counts.map((_, turn) => first * (turn + 1)));
    expect(search.count).toBe(1000);
  });

  it("sees the lines that come while it lasts, each once", () => {
    const rows = rowsOf("a match", "none");
    const search = new LineSearch("match");
    expect(search.scan(rows.rows, never)).toBe(true);
    rows.line(logEntry(2, "another match"));
    expect(search.scan(rows.rows, never)).toBe(true);
    expect(search.scan(rows.rows, never)).toBe(true);
    expect(search.count).toBe(2);
  });

  it("goes to the next and to the one before, around both ends, and says which it is", () => {
    const { rows } = rowsOf("x", "match", "x", "match", "match");
    const search = new LineSearch("match");
    search.scan(rows, never);
    expect(search.position).toBe(0);
    const step = (direction: 1 | -1) => [search.step(search.current?.seq ?? 2, direction)?.index, search.position];
    expect(step(1)).toEqual([3, 2]);
    expect(step(1)).toEqual([4, 3]);
    expect(step(1)).toEqual([1, 1]);
    expect(step(-1)).toEqual([4, 3]);
    expect(step(-1)).toEqual([3, 2]);
  });

  it("goes nowhere where nothing matches", () => {
    const search = new LineSearch("match");
    search.scan(rowsOf("x").rows, never);
    expect([search.step(0, 1), search.step(0, -1), search.position, search.count]).toEqual([null, null, 0, 0]);
  });

  it("forgets what is no longer kept", () => {
    const { rows } = rowsOf("match", "match", "match");
    const search = new LineSearch("match");
    search.scan(rows, never);
    search.step(-1, 1);
    search.forget(rows[1]?.seq ?? 0);
    expect([search.count, search.position, search.current]).toEqual([2, 0, null]);
  });

  it("passes over notes", () => {
    const rows = rowsOf();
    rows.note("500 earlier lines are not kept", 0, 500);
    const search = new LineSearch("lines");
    search.scan(rows.rows, never);
    expect(search.count).toBe(0);
  });
});

describe("the text of a line", () => {
  it.each([
    ["its message without colours", {}, "mes\u001b[1msage", "message"],
    ["the module before it", { module: "app.main" }, "started", "app.main started"],
    ["the component and context before it", { component: "Db", context: "7" }, "open", "Db:7 open"],
    ["an error that the message leaves out", { error: "ECONNRESET" }, "failed", "failed ECONNRESET"],
    ["no error twice", { error: "ECONNRESET" }, "failed: ECONNRESET", "failed: ECONNRESET"],
    ["its traceback", { traceback: "Traceback\n  x\n" }, "failed", "failed\nTraceback\n  x"],
  ])("is %s", (_, more, message, expected) => {
    expect(textOf(logEntry(0, message, more))).toBe(expected);
  });
});
