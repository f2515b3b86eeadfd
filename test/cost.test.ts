import { describe, expect, test } from "vitest";
import { sumTotals } from "../src/backend-stats.js";
import { createTotals } from "../src/cost.js";
import type { BackendStat } from "../src/protocol.js";
import { FUZZ_SEED } from "./support/fuzz-seed.js";
import { seededRandom } from "./support/seeded-random.js";

type Fields = Record<string, unknown>;

function totalsOf(...lines: Fields[]) {
  const totals = createTotals();
  for (const line of lines) totals.count(line);
  return totals;
}

const statsOf = (...lines: Fields[]) => sumTotals([totalsOf(...lines).text()]);
const stat = (calls: number, errors: number, cost_usd: number, unpriced_calls: number): BackendStat => ({
  calls,
  errors,
  cost_usd,
  unpriced_calls,
});
const NOTHING = { backends: {}, total: stat(0, 0, 0, 0) };

describe("a line", () => {
  test("of a complete call counts with its cost", () => {
    expect(statsOf({ event: "llm_call_complete", backend: "claude_cli", cost_usd: 0.05 })).toEqual({
      backends: { claude_cli: stat(1, 0, 0.05, 0) },
      total: stat(1, 0, 0.05, 0),
    });
  });

  test("of a complete call without a cost is an unpriced call, not a call for nothing", () => {
    expect(statsOf({ event: "llm_call_complete", backend: "b" }).total).toEqual(stat(1, 0, 0, 1));
    expect(statsOf({ event: "llm_call_complete" }).backends).toEqual({ unknown: stat(1, 0, 0, 1) });
    expect(statsOf({ event: "llm_call_complete", backend: "b", cost_usd: 0, cost_source: "unknown" }).total).toEqual(
      stat(1, 0, 0, 1),
    );
  });

  test("of a call that cost nothing is a priced call", () => {
    expect(statsOf({ event: "llm_call_complete", backend: "b", cost_usd: 0 }).total).toEqual(stat(1, 0, 0, 0));
  });

  test("of a failed call counts as a call and as an error", () => {
    expect(statsOf({ event: "llm_call_error", backend: "b", cost_usd: 0.01 }).total).toEqual(stat(1, 1, 0.01, 0));
    expect(statsOf({ event: "llm_call_error", backend: "b" }).total).toEqual(stat(1, 1, 0, 1));
  });

  test("of a fallback is a call only with a cost or a duration", () => {
    const fallback = { event: "llm_call_fallback", backend: "b" };
    expect(statsOf(fallback).total).toEqual({ ...stat(0, 0, 0, 0), fallbacks: 1 });
    expect(statsOf({ ...fallback, cost_usd: 0.5 }).total).toEqual({ ...stat(1, 0, 0.5, 0), fallbacks: 1 });
    expect(statsOf({ ...fallback, duration_ms: 5 }).total).toEqual({ ...stat(1, 0, 0, 1), fallbacks: 1 });
    expect(JSON.parse(totalsOf(fallback).text())).toEqual({ b: { b: { c: 0, f: 1 } }, m: {}, l: {} });
  });

  test("of any event with a backend and a cost is a call, at the top or in metadata", () => {
    expect(statsOf({ event: "job_scored", backend: "openrouter", cost_usd: 0.002 }).total).toEqual(
      stat(1, 0, 0.002, 0),
    );
    expect(statsOf({ metadata: { backend: "openrouter", cost_usd: 0.002 } }).total).toEqual(stat(1, 0, 0.002, 0));
    expect(statsOf({ backend: "openrouter", cost_source: "unknown" }).total).toEqual(stat(1, 0, 0, 1));
    expect(statsOf({ event: "x", backend: "b", costUsd: 0.25 }).total).toEqual(stat(1, 0, 0.25, 0));
  });

  test("of something that only begins, or lacks a backend or a cost, counts for nothing", () => {
    const lines = [
      { event: "llm_call_start", backend: "b", cost_usd: 1 },
      { event: "search_start", backend: "b", cost_usd: 1 },
      { event: "job_scored", cost_usd: 1 },
      { event: "job_scored", backend: "b" },
      { event: "job_scored", backend: "b", cost_usd: null },
      { message: "text" },
      {},
    ];
    const totals = totalsOf(...lines);
    expect(totals.changed).toBe(false);
    expect(sumTotals([totals.text()])).toEqual(NOTHING);
  });

  test.each([Number.NaN, -1, 1e13, Number.POSITIVE_INFINITY, "0.05", true, {}])(
    "with a cost of %s is an unpriced call",
    (cost_usd) => {
      expect(statsOf({ event: "llm_call_complete", backend: "b", cost_usd }).total).toEqual(stat(1, 0, 0, 1));
    },
  );

  test("whose fields throw counts for nothing", () => {
    const hostile = {
      event: "llm_call_complete",
      get backend(): string {
        throw new Error("no");
      },
    };
    expect(statsOf(hostile)).toEqual(NOTHING);
  });
});

describe("totals", () => {
  test("add up money without drifting, down to a nano-dollar", () => {
    const call = { event: "llm_call_complete", backend: "b", cost_usd: 0.1 };
    expect(statsOf(...Array.from({ length: 1000 }, () => call)).total.cost_usd).toBe(100);
    const small = { ...call, cost_usd: 0.000_000_123 };
    expect(statsOf(...Array.from({ length: 1000 }, () => small)).total.cost_usd).toBe(0.000_123);
  });

  test("are whole nano-dollars, the nearest to each cost", () => {
    const totals = totalsOf({ event: "llm_call_complete", backend: "b", cost_usd: 0.012_345_678_901_2 });
    expect(JSON.parse(totals.text()).b.b.n).toBe(12_345_679);
  });

  test("tell whether anything changed, and when", () => {
    const totals = createTotals();
    expect(totals.changed).toBe(false);
    const before = totals.text();
    totals.count({ event: "llm_call_complete", backend: "b" });
    expect(totals.changed).toBe(true);
    const { revision } = totals;
    expect(totals.text()).not.toBe(before);
    expect(totals.text()).toBe(totals.text());
    totals.count({ event: "started" });
    expect(totals.revision).toBe(revision);
    totals.count({ event: "llm_call_complete", backend: "b" });
    expect(totals.revision).toBeGreaterThan(revision);
  });

  test("keep tokens, models and layers", () => {
    const text = totalsOf({
      event: "llm_call_complete",
      backend: "b",
      model: "m",
      layer: "l",
      cost_usd: 1,
      input_tokens: 10,
      output_tokens: 20,
      metadata: { cached_tokens: 5, cacheWriteTokens: 3, reasoning_tokens: 7 },
    }).text();
    const tally = { c: 1, n: 1e9, i: 10, o: 20, k: 5, w: 3, r: 7 };
    expect(JSON.parse(text)).toEqual({ b: { b: tally }, m: { m: tally }, l: { l: tally } });
  });

  test("name at most 32 backends, the rest is `other`", () => {
    const lines = Array.from({ length: 40 }, (_, i) => ({ event: "llm_call_complete", backend: `b${i}`, cost_usd: 1 }));
    const { backends, total } = statsOf(...lines);
    expect(Object.keys(backends)).toHaveLength(33);
    expect(backends.other).toEqual(stat(8, 0, 8, 0));
    expect(total).toEqual(stat(40, 0, 40, 0));
  });

  test("fit 8 KiB whatever the names are, and lose layers and models before backends", () => {
    const totals = createTotals();
    for (let i = 0; i < 200; i++) {
      totals.count({
        event: "llm_call_error",
        backend: `\u0001漢"${i}`.padEnd(80, "\u0001"),
        model: `model ${i} `.padEnd(80, "m"),
        layer: `layer ${i} `.padEnd(80, "l"),
        cost_usd: 999_999,
        input_tokens: 9e14,
        output_tokens: 9e14,
        cached_tokens: 9e14,
        cache_write_tokens: 9e14,
        reasoning_tokens: 9e14,
      });
      expect(Buffer.byteLength(totals.text())).toBeLessThanOrEqual(8192);
    }
    expect(Object.keys(JSON.parse(totals.text()))).toEqual(["b"]);
    expect(sumTotals([totals.text()]).total).toMatchObject({ calls: 200, errors: 200 });
  });

  test("know what all of it cost, and say so after each call, to whoever asks to hear", () => {
    const totals = createTotals();
    const heard: number[] = [];
    totals.onCounted = () => heard.push(totals.nano);
    totals.count({ event: "llm_call_complete", backend: "a", cost_usd: 0.1 });
    totals.count({ event: "job_scored" });
    totals.count({ event: "llm_call_error", backend: "b", cost_usd: 0.2 });
    totals.count({ event: "llm_call_complete", backend: "b" });
    expect(heard).toEqual([1e8, 3e8, 3e8]);
  });

  test("stay whole numbers up to the largest, never beyond", () => {
    const totals = createTotals();
    for (let i = 0; i < 3; i++) totals.count({ event: "llm_call_complete", backend: "b", cost_usd: 1_000_000 });
    expect(JSON.parse(totals.text()).b.b).toEqual({ c: 3, n: 1e15 });
  });

  test("take a backend named __proto__ for other", () => {
    const { backends } = statsOf({ event: "llm_call_complete", backend: "__proto__", cost_usd: 1 });
    expect(backends).toEqual({ other: stat(1, 0, 1, 0) });
    expect(Object.getPrototypeOf(backends)).toBe(Object.prototype);
  });
});

describe("the sum over producers", () => {
  test("tells what each backend, each model and each layer did, and leaves out what is 0", () => {
    const call = { event: "llm_call_complete", backend: "a", cost_usd: 0.000_000_001 };
    const one = totalsOf(
      { ...call, model: "m", layer: "l", input_tokens: 10, cached_tokens: 4 },
      { ...call, model: "n", layer_name: "l", output_tokens: 5, reasoning_tokens: 2 },
    ).text();
    const two = totalsOf(
      { event: "llm_call_fallback", backend: "b", model: "m" },
      { ...call, backend: "b", model: "m", input_tokens: 1, cache_write_tokens: 1 },
    ).text();
    const nano = (count: number) => stat(count, 0, count / 1e9, 0);
    expect(sumTotals([one, two])).toEqual({
      backends: {
        a: { ...nano(2), input_tokens: 10, cached_tokens: 4, output_tokens: 5, reasoning_tokens: 2 },
        b: { ...nano(1), fallbacks: 1, input_tokens: 1, cache_write_tokens: 1 },
      },
      models: {
        m: { ...nano(2), fallbacks: 1, input_tokens: 11, cached_tokens: 4, cache_write_tokens: 1 },
        n: { ...nano(1), output_tokens: 5, reasoning_tokens: 2 },
      },
      layers: { l: { ...nano(2), input_tokens: 10, cached_tokens: 4, output_tokens: 5, reasoning_tokens: 2 } },
      total: {
        ...nano(3),
        fallbacks: 1,
        input_tokens: 11,
        cached_tokens: 4,
        cache_write_tokens: 1,
        output_tokens: 5,
        reasoning_tokens: 2,
      },
    });
  });

  test("adds what each counted", () => {
    const one = totalsOf({ event: "llm_call_complete", backend: "a", cost_usd: 1 }).text();
    const two = totalsOf(
      { event: "llm_call_error", backend: "a", cost_usd: 2 },
      { event: "llm_call_complete", backend: "b" },
    ).text();
    expect(sumTotals([one, two])).toEqual({
      backends: { a: stat(2, 1, 3, 0), b: stat(1, 0, 0, 1) },
      total: stat(3, 1, 3, 1),
    });
    expect(sumTotals([])).toEqual(NOTHING);
  });

  test("skips what is no totals, and numbers that are none", () => {
    const good = totalsOf({ event: "llm_call_complete", backend: "a", cost_usd: 1 }).text();
    const bad = ["", "{", "null", "[]", '"x"', "{}", '{"b":5}', '{"b":{"a":5}}', '{"b":{"a":null}}'];
    expect(sumTotals([...bad, good])).toEqual(sumTotals([good]));
    const odd = '{"b":{"a":{"c":"1","e":-1,"u":1.5,"n":1e300}},"__proto__":{"b":1}}';
    expect(sumTotals([odd, good])).toEqual(sumTotals([good]));
    expect(sumTotals(['{"b":{"__proto__":{"c":2}}}']).backends).toEqual({ other: stat(2, 0, 0, 0) });
  });

  test("names the 32 backends with most calls, the rest is `other`", () => {
    const texts = Array.from({ length: 50 }, (_, i) => JSON.stringify({ b: { [`b${i}`]: { c: i + 1, n: 1e9 } } }));
    const { backends, total } = sumTotals([...texts, '{"b":{"other":{"c":100}}}']);
    expect(Object.keys(backends)).toHaveLength(33);
    expect(backends.b49).toEqual(stat(50, 0, 1, 0));
    expect(backends).not.toHaveProperty("b17");
    expect(backends.other).toEqual(stat((18 * 19) / 2 + 100, 0, 18, 0));
    expect(total.calls).toBe((50 * 51) / 2 + 100);
  });

  test("stays at the largest safe integer", () => {
    const text = JSON.stringify({ b: { a: { c: Number.MAX_SAFE_INTEGER, n: Number.MAX_SAFE_INTEGER } } });
    const { total } = sumTotals([text, text]);
    expect(total).toEqual(stat(Number.MAX_SAFE_INTEGER, 0, Number.MAX_SAFE_INTEGER / 1e9, 0));
  });
});

test("A line with bindings counts as the same line with all its fields in one object, its own over the bound ones", () => {
  const random = seededRandom(FUZZ_SEED);
  const values = ["b", "m", 0.5, 3, { cost_usd: 1, backend: "nested" }, { model: "n", costUsd: 2 }, "provider"];
  const names = ["backend", "model", "layer", "cost_usd", "cost_source", "metadata", "duration_ms", "other"];
  const some = (): Fields => {
    const given = names.filter(() => random.between(1, 3) > 1);
    return Object.fromEntries(given.map((name) => [name, random.pick(values)]));
  };
  const CAMEL: Fields = { cost_usd: "costUsd", cost_source: "costSource", duration_ms: "durationMs" };
  const inCamelCase = (fields: Fields): Fields =>
    Object.fromEntries(Object.entries(fields).map(([name, value]) => [CAMEL[name] ?? name, value]));
  let counted = 0;
  for (let at = 0; at < 5000; at += 1) {
    const [fields, bindings] = [some(), some()];
    const event = random.pick(["llm_call_complete", "llm_call_error", "llm_call_fallback", "llm_call_start", "scored"]);
    const [apart, camel, together] = [createTotals(), createTotals(), createTotals()];
    apart.count(fields, event, bindings);
    camel.count(inCamelCase(fields), event, random.pick([bindings, inCamelCase(bindings)]));
    together.count({ ...bindings, ...fields, event });
    expect(apart.text()).toBe(together.text());
    expect(camel.text()).toBe(together.text());
    if (apart.changed) counted += 1;
  }
  expect(counted).toBeGreaterThan(1000);
});
