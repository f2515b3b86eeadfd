import { describe, expect, test } from "vitest";
import { createLineEncoder } from "../src/serialize.js";

const AT = Date.UTC(2026, 0, 14, 10, 0, 0);
const NOW = "2026-01-14T10:00:00.000Z";
const encoder = createLineEncoder({ now: () => AT });

type Fields = Record<string, unknown>;

/** Checks what is true of every stored line, and returns its fields. */
function read(text: string, maxBytes = 16_384): Fields {
  expect(text).not.toMatch(/[\n\r]/);
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(maxBytes);
  expect(text.isWellFormed()).toBe(true);
  return JSON.parse(text);
}

const message = (value: unknown, metadata?: unknown): Fields => read(encoder.message(value, metadata));
const stored = (value: unknown): { value: unknown; truncated: unknown } => {
  const line = message("m", { value });
  return { value: (line.metadata as Fields | undefined)?.value, truncated: line.truncated };
};

describe("a message", () => {
  test("is stored with the time", () => {
    expect(message("hello")).toEqual({ timestamp: NOW, message: "hello" });
  });

  test("keeps its metadata under metadata", () => {
    expect(message("hello", { a: 1, b: { c: [true, null] } })).toEqual({
      timestamp: NOW,
      message: "hello",
      metadata: { a: 1, b: { c: [true, null] } },
    });
  });

  test("has no metadata when it was given none, or nothing in it", () => {
    expect(message("hello", {})).toEqual({ timestamp: NOW, message: "hello" });
    expect(message("hello", null)).toEqual({ timestamp: NOW, message: "hello" });
    expect(message("hello", { a: undefined })).toEqual({ timestamp: NOW, message: "hello" });
  });

  test("that is an object is its own fields, with the time unless it has one", () => {
    expect(message({ event: "x", score: 1 })).toEqual({ timestamp: NOW, event: "x", score: 1 });
    expect(message({ event: "x", timestamp: "2020-01-01T00:00:00Z" })).toEqual({
      timestamp: "2020-01-01T00:00:00Z",
      event: "x",
    });
    expect(message({ a: 1, timestamp: null })).toEqual({ timestamp: NOW, a: 1 });
  });

  test("that is an object with metadata gets the given metadata added", () => {
    expect(message({ a: 1, metadata: { b: 2, c: 3 } }, { c: 4 })).toEqual({
      timestamp: NOW,
      a: 1,
      metadata: { b: 2, c: 4 },
    });
    expect(message({ a: 1 }, { c: 4 })).toEqual({ timestamp: NOW, a: 1, metadata: { c: 4 } });
    expect(message({ a: 1, metadata: "text" }, { c: 4 }).metadata).toEqual({ metadata: "text", c: 4 });
  });

  test("that is an Error has level error, its message, its text and the stacks of all its causes", () => {
    const error = Object.assign(new TypeError("outer", { cause: new Error("inner", { cause: "the root" }) }), {
      code: "ECONNREFUSED",
    });
    const line = message(error, { attempt: 2 });
    expect(line).toMatchObject({ level: "error", message: "outer", error: "TypeError: outer" });
    expect(line.metadata).toEqual({ code: "ECONNREFUSED", attempt: 2 });
    expect(line.traceback).toMatch(/^TypeError: outer\n\s+at .*serialize\.test/);
    expect(line.traceback).toMatch(/\nCaused by: Error: inner\n\s+at .*\nCaused by: the root$/s);
    expect(line).not.toHaveProperty("truncated");
  });

  test("with an Error as metadata has its text and its stack", () => {
    const line = message("it failed", new Error("boom"));
    expect(line).toMatchObject({ message: "it failed", error: "Error: boom" });
    expect(line.traceback).toContain("serialize.test");
  });

  test("with an Error under `error` or `err` has its text and its stack at the top", () => {
    for (const name of ["error", "err"]) {
      const line = message({ event: "x", [name]: new RangeError("far") });
      expect(line).toMatchObject({ event: "x", error: "RangeError: far" });
      expect(line.traceback).toContain("serialize.test");
    }
  });

  test("tells the errors of an AggregateError", () => {
    const line = message(new AggregateError([new Error("first"), new Error("second")], "both"));
    expect(line.traceback).toContain("One of: Error: first");
    expect(line.traceback).toContain("One of: Error: second");
  });

  test("does not follow a cause that leads back to itself for ever", () => {
    const error = new Error("loop");
    const other = new Error("other", { cause: error });
    error.cause = other;
    expect(String(message(error).traceback).match(/Caused by/g)).toHaveLength(8);
  });

  test("of any other kind is its readable text", () => {
    expect(message(undefined).message).toBe("undefined");
    expect(message(null).message).toBe("null");
    expect(message(42).message).toBe("42");
    expect(message(Number.NaN).message).toBe("NaN");
    expect(message(12n).message).toBe("12");
    expect(message(true).message).toBe("true");
    expect(message([1, "two"]).message).toBe('[1,"two"]');
    expect(message(new Date(0)).message).toBe("1970-01-01T00:00:00.000Z");
    expect(message(new Map([["a", 1]])).message).toBe('{"a":1}');
    expect(message(Symbol("s")).message).toBe("Symbol(s)");
    expect(message(function named() {}).message).toBe("[function named]");
    expect(message("").message).toBe("");
  });

  test("with a toJSON is what that returns", () => {
    expect(message({ toJSON: () => ({ event: "x", a: 1 }) })).toEqual({ timestamp: NOW, event: "x", a: 1 });
    expect(message({ toJSON: () => "text" }).message).toBe("text");
    const large = { list: Array.from({ length: 2000 }, (_, i) => i) };
    expect(message({ toJSON: () => large })).toEqual({ timestamp: NOW, ...large });
    const self: Fields = { a: 1 };
    self.toJSON = () => self;
    expect(message(self)).toMatchObject({ a: 1 });
  });

  test("is what the value was at the call", () => {
    const metadata = { list: [1] };
    const text = encoder.message("m", metadata);
    metadata.list.push(2);
    expect(read(text).metadata).toEqual({ list: [1] });
  });

  test("asks a getter once", () => {
    let asked = 0;
    const value = {
      get x() {
        asked++;
        return { deep: asked };
      },
    };
    expect(message("m", value).metadata).toEqual({ x: { deep: 1 } });
    expect(asked).toBe(1);
  });

  test("that logs while it is being serialised does not disturb the line", () => {
    const inner: string[] = [];
    const value = {
      a: "before",
      toJSON() {
        inner.push(encoder.message("x".repeat(100_000)));
        return { a: "before", b: "after" };
      },
    };
    expect(message("m", value)).toEqual({ timestamp: NOW, message: "m", metadata: { a: "before", b: "after" } });
    expect(read(inner[0] as string).truncated).toBe(true);
  });
});

describe("a value that JSON has no word for", () => {
  test.each<[string, unknown, unknown]>([
    ["a BigInt", 2n ** 70n, "1180591620717411303424"],
    ["NaN", Number.NaN, "NaN"],
    ["Infinity", Number.NEGATIVE_INFINITY, "-Infinity"],
    ["a Map", new Map<string, unknown>([["a", { b: 1 }]]), { a: { b: 1 } }],
    ["a Map with other keys", new Map([[1, "one"]]), [[1, "one"]]],
    ["a Set", new Set([1, "two"]), [1, "two"]],
    ["a Date", new Date(0), "1970-01-01T00:00:00.000Z"],
    ["an invalid Date", new Date(Number.NaN), "Invalid Date"],
    ["a Date that writes itself as no text", Object.assign(new Date(0), { toISOString: () => 42 }), "42"],
    ["a URL", new URL("http://a/b"), "http://a/b"],
    ["a RegExp", /a+/g, "/a+/g"],
    ["URLSearchParams", new URLSearchParams("a=1"), "a=1"],
    ["a short typed array", new Uint8Array([1, 2]), "Uint8Array [1, 2]"],
    ["NUL", "a\0b", "a\0b"],
    ["a hole in an array", [1, undefined, 2], [1, null, 2]],
    [
      "an instance of a class",
      new (class Point {
        x = 1;
      })(),
      { x: 1 },
    ],
    ["an object without a prototype", Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  ])("%s is stored whole", (_, value, expected) => {
    expect(stored(value)).toEqual({ value: expected, truncated: undefined });
  });

  test.each<[string, unknown, unknown]>([
    ["a function", function named() {}, "[function named]"],
    ["a symbol", Symbol("s"), "Symbol(s)"],
    ["a promise", Promise.resolve(), "[Promise]"],
    ["a long typed array", new Uint8Array(1000), expect.stringMatching(/^Uint8Array \[0, .*, … 984 more\]$/)],
    ["an ArrayBuffer", new ArrayBuffer(8), "[ArrayBuffer of 8 bytes]"],
    [
      "a toJSON that throws",
      {
        toJSON: () => {
          throw new Error("no");
        },
      },
      "[threw Error: no]",
    ],
    ["a lone surrogate", "a\ud800b", "a\ufffdb"],
    ["a lone surrogate in a key", { "k\udc00": 1 }, { "k\ufffd": 1 }],
    ["a revoked proxy", revokedProxy(), expect.stringContaining("[threw TypeError")],
  ])("%s is described, and the line is flagged", (_, value, expected) => {
    expect(stored(value)).toEqual({ value: expected, truncated: true });
  });

  test("a getter that throws leaves its neighbours alone", () => {
    const value = {
      a: 1,
      get b(): number {
        throw new Error("no");
      },
      c: 3,
    };
    expect(stored(value)).toEqual({ value: { a: 1, b: "[threw Error: no]", c: 3 }, truncated: true });
  });

  test("a thrown thing that cannot be read itself is survived", () => {
    const hostile = {
      get message(): string {
        throw new Error("again");
      },
    };
    const value = {
      get x(): number {
        throw hostile;
      },
    };
    expect(stored(value)).toEqual({ value: { x: "[threw an unreadable error]" }, truncated: true });
  });

  test("a circular object is cut where it closes; an object that merely occurs twice is not", () => {
    const circle: Fields = { a: 1 };
    circle.self = { again: circle };
    expect(stored(circle)).toEqual({ value: { a: 1, self: { again: "[circular]" } }, truncated: true });
    const twice = { x: 1 };
    expect(stored([twice, twice])).toEqual({ value: [{ x: 1 }, { x: 1 }], truncated: undefined });
    expect(message(circle)).toMatchObject({ a: 1, self: { again: "[circular]" }, truncated: true });
  });

  test("an Error within is its name, message, stack, cause and own fields", () => {
    const error = Object.assign(new TypeError("outer", { cause: new Error("inner") }), { code: 7, token: "t" });
    expect(stored({ deep: error })).toEqual({
      value: {
        deep: {
          name: "TypeError",
          message: "outer",
          stack: expect.stringContaining("serialize.test"),
          cause: { name: "Error", message: "inner", stack: expect.any(String) },
          code: 7,
          token: "[redacted]",
        },
      },
      truncated: undefined,
    });
  });

  test("a field named __proto__ stays a field", () => {
    const text = encoder.message(JSON.parse('{"__proto__":{"polluted":1},"a":{"__proto__":2}}'));
    expect(text).toContain('"__proto__":{"polluted":1},"a":{"__proto__":2}');
    expect(({} as Fields).polluted).toBeUndefined();
  });

  test("objects nested 10,000 deep end at a readable depth", () => {
    let deep: unknown = "core";
    for (let i = 0; i < 10_000; i++) deep = i % 2 === 0 ? { deep } : [deep];
    const text = encoder.message("m", deep);
    expect(text).toContain("[too deep]");
    expect(read(text).truncated).toBe(true);
  });

  test("a proxy that throws at every touch is survived everywhere", () => {
    const trap = () => {
      throw new Error("trap");
    };
    const proxy = new Proxy(
      {},
      { ownKeys: trap, get: trap, getPrototypeOf: trap, has: trap, getOwnPropertyDescriptor: trap },
    );
    for (const text of [
      encoder.message(proxy),
      encoder.message("m", proxy),
      encoder.event("info", "x", proxy),
      `{${encoder.bindings(proxy).slice(1)}}`,
    ]) {
      expect(read(text).truncated).toBe(true);
    }
    expect(message("m", proxy).message).toBe("m");
    expect(read(encoder.event("info", "x", proxy)).event).toBe("x");
  });
});

describe("the cap", () => {
  test("cuts a string of 5 MB to the last byte that fits", () => {
    const text = encoder.message("x".repeat(5_000_000));
    const line = read(text);
    expect(line.truncated).toBe(true);
    expect(line.message).toMatch(/^x+$/);
    expect(Buffer.byteLength(text)).toBe(16_384);
  });

  test("cuts at a character, never inside a surrogate pair", () => {
    for (let shift = 0; shift < 4; shift++) {
      const whole = `${"a".repeat(shift)}${"😀".repeat(10_000)}`;
      const line = message(whole);
      expect(whole.startsWith(line.message as string)).toBe(true);
      expect((line.message as string).isWellFormed()).toBe(true);
      expect(line.truncated).toBe(true);
    }
  });

  test("cuts the longest strings and leaves the others whole", () => {
    const line = message("short", { a: "a".repeat(9000), b: "b".repeat(100), c: "c".repeat(12_000), d: 5 });
    const { a, b, c, d } = line.metadata as Record<string, string>;
    expect(line.message).toBe("short");
    expect(b).toBe("b".repeat(100));
    expect(d).toBe(5);
    expect(Math.abs((a as string).length - (c as string).length)).toBeLessThanOrEqual(1);
    expect(line.truncated).toBe(true);
  });

  test("counts what escaping and UTF-8 add", () => {
    for (const part of ["\u0001", "\b", "\t", "\f", "\r", '"', "\\", "\n", "ü", "漢", "😀"]) {
      const text = encoder.message(part.repeat(20_000));
      const line = read(text);
      expect(line.truncated).toBe(true);
      expect(Buffer.byteLength(text)).toBeGreaterThan(16_384 - 8);
    }
  });

  test("leaves a line alone that just fits", () => {
    const most = 16_384 - Buffer.byteLength(encoder.message(""));
    expect(message("x".repeat(most))).toEqual({ timestamp: NOW, message: "x".repeat(most) });
    expect(message("ü".repeat(most >> 1))).not.toHaveProperty("truncated");
    expect(message("x".repeat(most + 1)).truncated).toBe(true);
    const many = Array.from({ length: 3000 }, (_, i) => i);
    expect(message("m", { many })).toMatchObject({ metadata: { many } });
  });

  test("ends an array of a million items early, and says so", () => {
    const began = performance.now();
    const line = message("m", { list: new Array(1_000_000).fill("item") });
    expect((line.metadata as { list: unknown[] }).list.length).toBeGreaterThan(100);
    expect(line.truncated).toBe(true);
    expect(performance.now() - began).toBeLessThan(1000);
  });

  test("drops fields from the end when names alone are too much", () => {
    const fields = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`field_${i}`, `value ${i}`]));
    const line = message(fields);
    expect(line).toMatchObject({ timestamp: NOW, field_0: "value 0", field_9: "value 9", truncated: true });
    const event = read(encoder.event("warn", "big", fields));
    expect(event).toMatchObject({ timestamp: NOW, level: "warn", event: "big", truncated: true });
    expect((event.metadata as Fields).field_9).toBe("value 9");
  });

  test("bounds the work that many huge strings cause, and gives each its share", () => {
    const fields = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, `${i}`.repeat(1_000_000)]));
    const { metadata, truncated } = message("m", fields);
    expect(truncated).toBe(true);
    const lengths = Object.values(metadata as Record<string, string>).map((text) => text.length);
    expect(lengths).toHaveLength(20);
    expect(Math.min(...lengths)).toBeGreaterThan(700);
  });

  test("cuts names of 5 MB, events of 5 MB and bindings of 5 MB", () => {
    const long = "k".repeat(5_000_000);
    expect(message({ [long]: 1, after: 2 })).toMatchObject({ after: 2, truncated: true });
    const emoji = Object.keys(message({ [`a${"😀".repeat(300)}`]: 1 }))[1] as string;
    expect(`a${"😀".repeat(300)}`.startsWith(emoji)).toBe(true);
    const bindings = encoder.bindings({ job_id: "j", note: long });
    const line = read(encoder.event("info", long, { score: 1 }, bindings));
    expect(line).toMatchObject({ job_id: "j", metadata: { score: 1 }, truncated: true });
  });

  test("is an option, with a floor at 1,024 bytes", () => {
    const small = createLineEncoder({ maxLineBytes: 2048, now: () => AT });
    expect(read(small.message("x".repeat(3000)), 2048).truncated).toBe(true);
    const tiny = createLineEncoder({ maxLineBytes: 1, now: () => AT });
    expect(read(tiny.message("x".repeat(500)), 1024)).not.toHaveProperty("truncated");
  });
});

describe("secrets", () => {
  test("are replaced by their key, in any case and spelling, at any depth", () => {
    const secrets = {
      authorization: 1,
      Cookie: 1,
      "Set-Cookie": 1,
      PASSWORD: 1,
      token: 1,
      secret: { a: 1 },
      api_key: 1,
      apiKey: 1,
      "api-key": 1,
      accessToken: 1,
      refresh_token: null,
    };
    const line = message("m", { ...secrets, deep: [{ deeper: secrets }] });
    const redacted = Object.fromEntries(Object.keys(secrets).map((key) => [key, "[redacted]"]));
    expect(line.metadata).toEqual({ ...redacted, deep: [{ deeper: redacted }] });
    expect(line).not.toHaveProperty("truncated");
  });

  test("are only those names exactly", () => {
    const fields = { input_tokens: 5, tokens: 1, token_count: 2, passwords: 3, mytoken: 4 };
    expect(message("m", fields).metadata).toEqual(fields);
  });

  test("may be more than the protocol names", () => {
    const own = createLineEncoder({ redactKeys: ["Ssn", "x-session"], now: () => AT });
    const line = read(own.message("m", { ssn: "1", X_SESSION: "2", password: "3", other: "4" }));
    expect(line.metadata).toEqual({
      ssn: "[redacted]",
      X_SESSION: "[redacted]",
      password: "[redacted]",
      other: "4",
    });
  });

  test("are replaced wherever a line comes from", () => {
    const texts = [
      encoder.message({ token: "hunter2", metadata: { token: "hunter2" } }),
      encoder.message("m", new Map([["token", "hunter2"]])),
      encoder.message("m", { toJSON: () => ({ token: "hunter2" }) }),
      encoder.message(Object.assign(new Error("e"), { token: "hunter2" })),
      encoder.event("info", "x", { token: "hunter2", backend: { token: "hunter2" }, metadata: { token: "hunter2" } }),
      `{${encoder.bindings({ token: "hunter2" }).slice(1)}}`,
      encoder.text('{"token":"hunter2","a":[{"token":"hunter2"}]}', "stdout"),
      JSON.stringify(encoder.plain({ token: "hunter2" })),
    ];
    for (const text of texts) {
      expect(text).toContain("[redacted]");
      expect(text).not.toContain("hunter2");
    }
  });

  test("do not cause a getter to be asked for them twice or a missing one to appear", () => {
    expect(message("m", { token: undefined, a: 1 }).metadata).toEqual({ a: 1 });
  });
});

describe("an event", () => {
  const event = (fields: Fields | undefined, bindings?: string) =>
    read(encoder.event("info", "job_scored", fields, bindings));
  const HEAD = { timestamp: NOW, level: "info", event: "job_scored" };

  test("has the fields of the protocol at the top and others under metadata", () => {
    expect(event({ job_id: "j", score: 0.5, cost_usd: 0.002, backend: "openrouter", extra: { a: 1 } })).toEqual({
      ...HEAD,
      job_id: "j",
      cost_usd: 0.002,
      backend: "openrouter",
      metadata: { score: 0.5, extra: { a: 1 } },
    });
    expect(event(undefined)).toEqual(HEAD);
    expect(event({ job_id: "j" })).toEqual({ ...HEAD, job_id: "j" });
  });

  test("takes the fields of the protocol in camelCase as well", () => {
    expect(event({ costUsd: 1, stepName: "s", durationMs: 2, inputTokens: 3, myOwn: 4 })).toEqual({
      ...HEAD,
      cost_usd: 1,
      step_name: "s",
      duration_ms: 2,
      input_tokens: 3,
      metadata: { myOwn: 4 },
    });
  });

  test("keeps its time, level and name whatever its fields are called", () => {
    expect(event({ timestamp: 1, level: "low", event: "other", metadata: { a: 1 }, truncated: true })).toEqual({
      ...HEAD,
      metadata: { timestamp: 1, level: "low", event: "other", a: 1, truncated: true },
    });
  });

  test("turns an Error into its text and its stack", () => {
    for (const fields of [{ error: new Error("boom") }, { err: new Error("boom") }, new Error("boom")]) {
      const line = event(fields as Fields);
      expect(line).toMatchObject({ ...HEAD, error: "Error: boom" });
      expect(line.traceback).toContain("serialize.test");
    }
  });

  test("carries bindings, and its own fields win over them", () => {
    const bindings = encoder.bindings({ jobId: "bound", layer: "fetch", tag: "t", metadata: { m: 1 }, level: "x" });
    expect(event({ score: 1 }, bindings)).toEqual({
      ...HEAD,
      job_id: "bound",
      layer: "fetch",
      tag: "t",
      m: 1,
      metadata: { score: 1 },
    });
    expect(event({ layer: "own" }, bindings).layer).toBe("own");
    expect(encoder.bindings({})).toBe("");
    expect(read(encoder.message("hi", undefined, bindings))).toMatchObject({ message: "hi", job_id: "bound" });
    expect(read(encoder.message({ a: 1 }, undefined, bindings))).toMatchObject({ a: 1, job_id: "bound" });
  });

  test("survives fields that are no object, as JavaScript may hand them", () => {
    for (const fields of ["text", 5, [1], new Map([["a", 1]]), null]) {
      expect(event(fields as unknown as Fields)).toMatchObject(HEAD);
    }
    expect(event("text" as unknown as Fields).metadata).toBe("text");
    expect(read(encoder.event("info", { a: 1 } as unknown as string, undefined)).event).toBeTypeOf("string");
  });

  test("has the time of its call", () => {
    let now = AT;
    const moving = createLineEncoder({ now: () => now });
    expect(read(moving.event("info", "a", undefined)).timestamp).toBe(NOW);
    now += 1;
    expect(read(moving.event("info", "a", undefined)).timestamp).toBe("2026-01-14T10:00:00.001Z");
    now -= 1;
    expect(read(moving.event("info", "a", undefined)).timestamp).toBe(NOW);
  });
});

describe("a printed line", () => {
  test("that is text is a message with its stream", () => {
    expect(read(encoder.text("\u001b[31mred\u001b[0m", "stderr"))).toEqual({
      timestamp: NOW,
      message: "\u001b[31mred\u001b[0m",
      stream: "stderr",
    });
    for (const text of ["", "[1,2]", "{not json", '"string"', "null", "{}x"]) {
      expect(read(encoder.text(text, "stdout")).message).toBe(text);
    }
  });

  test("that is a JSON object is stored as one", () => {
    expect(read(encoder.text(' {"event":"x","n":1}\r', "stdout"))).toEqual({
      timestamp: NOW,
      event: "x",
      n: 1,
      stream: "stdout",
    });
    const own = '{"timestamp":"2020-01-01T00:00:00Z","stream":"mine","level":"warn"}';
    expect(read(encoder.text(own, "stdout"))).toEqual(JSON.parse(own));
  });

  test("hands the fields of a JSON object to whoever counts, once", () => {
    const seen: Fields[] = [];
    encoder.text('{"event":"x","cost_usd":1}', "stdout", (fields) => seen.push(fields));
    encoder.text("text", "stdout", (fields) => seen.push(fields));
    expect(seen).toEqual([{ event: "x", cost_usd: 1 }]);
  });

  test("that is too long is cut, as text and as JSON", () => {
    expect(read(encoder.text("x".repeat(5_000_000), "stdout"))).toMatchObject({ stream: "stdout", truncated: true });
    const line = read(encoder.text(JSON.stringify({ event: "x", blob: "b".repeat(5_000_000), id: 7 }), "stdout"));
    expect(line).toMatchObject({ event: "x", id: 7, truncated: true });
    const deep = `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`;
    expect(read(encoder.text(deep, "stdout")).truncated).toBe(true);
  });
});

test("a gap line says how many lines are missing and why", () => {
  expect(read(encoder.gap(500, "burst"))).toEqual({
    timestamp: NOW,
    level: "warn",
    event: "log_gap",
    dropped: 500,
    reason: "burst",
  });
});

test("a plain copy is what a line would store, within its own cap", () => {
  expect(encoder.plain({ a: 1n, password: "x", when: new Date(0) })).toEqual({
    a: "1",
    password: "[redacted]",
    when: "1970-01-01T00:00:00.000Z",
  });
  const cut = encoder.plain({ text: "x".repeat(5000) }, 1000);
  expect(cut.truncated).toBe(true);
  expect(Buffer.byteLength(JSON.stringify(cut))).toBe(1000);
  expect(encoder.plain({})).toEqual({});
});

test("an exhausted stack loses the line, not the caller", () => {
  const lines: string[] = [];
  function recurse(): void {
    lines.push(encoder.message("m", { a: { b: [1] } }));
    recurse();
  }
  expect(recurse).toThrow(RangeError);
  expect(lines.length).toBeGreaterThan(100);
  for (const line of [lines[0], lines.at(-1)]) read(line as string);
});

test("whatever is thrown at it, every line is valid JSON of one line within the cap", () => {
  const random = seeded(20260114);
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)] as T;
  const leaves: (() => unknown)[] = [
    () => random() * 1e6,
    () => pick([null, undefined, true, Number.NaN, -0, 5n, Symbol.iterator, () => 1]),
    () => pick(["", "short", "漢字", "\ud800", "\0\u0001", '"\\"', "line\nbreak", "\u2028"]).repeat(pick([1, 3, 2000])),
    () => pick([new Date(0), new Date(Number.NaN), new Error("e"), /x/, new Uint8Array(30), new Map([[{}, 1]])]),
  ];
  const names = ["a", "error", "metadata", "timestamp", "level", "event", "message", "truncated", "cost_usd"];
  const odd = ["__proto__", "constructor", "toJSON", "password", "k\ud800", "漢".repeat(300), "length", "0"];
  function value(depth: number): unknown {
    if (depth === 0 || random() < 0.3) return pick(leaves)();
    const size = Math.floor(random() * (depth === 1 ? pick([3, 60]) : 5));
    if (random() < 0.3) return Array.from({ length: size }, () => value(depth - 1));
    return fields(depth, size);
  }
  function fields(depth: number, size: number): Fields {
    const made = Array.from({ length: size }, (_, i): [string, unknown] => [
      pick([pick(names), pick(odd), `field_${i}`, "x".repeat(i)]),
      value(depth - 1),
    ]);
    return Object.fromEntries(made);
  }
  for (let i = 0; i < 200; i++) {
    const maxLineBytes = pick([1024, 2000, 16_384]);
    const own = createLineEncoder({ maxLineBytes, now: () => AT });
    const bindings = own.bindings(fields(2, 5));
    read(`{${bindings.slice(1)}}`, maxLineBytes / 4 + 2);
    read(own.message(value(3), value(3), bindings), maxLineBytes);
    read(own.event("info", "x", fields(3, pick([2, 40])), bindings), maxLineBytes);
    read(own.text(own.message(value(4)), "stdout"), maxLineBytes);
  }
});

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
