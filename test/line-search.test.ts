import { describe, expect, it } from "vitest";
import { createLineRows } from "../src/panel/line-rows.js";
import { createLineSearch } from "../src/panel/line-search.js";
import { textOf } from "../src/panel/line-text.js";
import { logEntry } from "./support/log-entry.js";

const never = () => false;

function rowsOf(...messages: string[]) {
  const rows = createLineRows(100_000, never);
  for (const [index, message] of messages.entries()) rows.line(logEntry(index, message));
  return rows;
}

/** The indexes of the lines that a search finds. */
function found(query: string, ...messages: string[]): number[] {
  const search = createLineSearch(query);
  search.scan(rowsOf(...messages).rows, never);
  return search.matches.map(({ index }) => index);
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
    const search = createLineSearch("line");
    expect(search.scan(rows, () => true)).toBe(false);
    expect(search.matches).toHaveLength(1);
    let scans = 1;
    for (let done = false; !done; scans++) done = search.scan(rows, () => true);
    expect(scans).toBeGreaterThanOrEqual(1000);
    expect(search.matches.length).toBe(1000);
  });

  it("sees the lines that come while it lasts, each once", () => {
    const rows = rowsOf("a match", "none");
    const search = createLineSearch("match");
    expect(search.scan(rows.rows, never)).toBe(true);
    rows.line(logEntry(2, "another match"));
    expect(search.scan(rows.rows, never)).toBe(true);
    expect(search.scan(rows.rows, never)).toBe(true);
    expect(search.matches.length).toBe(2);
  });

  it("goes to any match, around both ends", () => {
    const { rows } = rowsOf("x", "match", "x", "match", "match");
    const search = createLineSearch("match");
    search.scan(rows, never);
    expect(search.current).toBeUndefined();
    expect([0, 1, 2, 3, -1, -2].map((position) => search.go(position)?.index)).toEqual([1, 3, 4, 1, 4, 3]);
    expect(search.current?.index).toBe(3);
  });

  it("goes nowhere where nothing matches", () => {
    const search = createLineSearch("match");
    search.scan(rowsOf("x").rows, never);
    expect([search.go(0), search.go(1), search.go(-1), search.current]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("forgets what is no longer kept", () => {
    const { rows } = rowsOf("match", "match", "match");
    const search = createLineSearch("match");
    search.scan(rows, never);
    search.forget(rows[1]?.seq ?? 0);
    expect(search.matches.map(({ index }) => index)).toEqual([1, 2]);
  });

  it("finds what stands in the fields of a line, but not their names and not what a row shows otherwise", () => {
    const rows = rowsOf();
    rows.line(logEntry(0, "scored", { model: "sonnet", metadata: { job: { title: "Chef" }, score: 71 } }));
    const find = (query: string) => {
      const search = createLineSearch(query);
      search.scan(rows.rows, never);
      return search.matches.length;
    };
    expect(["sonnet", "chef", "71", "model", "info"].map(find)).toEqual([1, 1, 1, 0, 0]);
  });

  it("passes over notes", () => {
    const rows = rowsOf();
    rows.note("500 earlier lines are not kept", 0, 500);
    const search = createLineSearch("lines");
    search.scan(rows.rows, never);
    expect(search.matches.length).toBe(0);
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
