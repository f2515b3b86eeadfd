/** Values that break whoever reads or serialises them carelessly. */
import type { Grammar } from "./grammar.js";

type Maker = (g: Grammar, depth: number) => unknown;

class Point {
  x = 1;
  get shout(): string {
    throw new Error("a getter of a class");
  }
}

class Nameless extends Map<string, unknown> {
  override toString(): string {
    throw new Error("no text");
  }
}

const thrower = (what: unknown) => (): never => {
  throw what;
};

function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** A proxy that is its own prototype: `instanceof` goes round until the stack is said to be exhausted. */
function endless(): object {
  const proxy: object = new Proxy({}, { getPrototypeOf: () => proxy });
  return proxy;
}

function circle(): object {
  const one: Record<string, unknown> = { a: 1 };
  one.self = one;
  one.list = [one, [one]];
  one.map = new Map([["one", one]]);
  return one;
}

function causes(): Error {
  const error = new Error("first", { cause: new Error("second") });
  (error.cause as Error).cause = error;
  return Object.assign(error, { errors: [error, error], code: Symbol("code") });
}

function nested(depth: number, wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = 1;
  for (let at = 0; at < depth; at += 1) value = wrap(value);
  return value;
}

const numbered = (count: number, times: number): object =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`key${at}`.repeat(times), at]));
const LARGE_OBJECTS = [numbered(300, 1), numbered(5000, 1), numbered(300, 100), numbered(5000, 20)];
const LARGE_MAP = new Map(Array.from({ length: 5000 }, (_, at) => [`k${at}`, at]));
const LARGE_ARRAYS = [
  Array.from({ length: 20_000 }, (_, at) => at),
  Array.from({ length: 3000 }, () => ({ a: "x".repeat(60) })),
  new Array(4_000_000_000),
  Object.assign([1, 2, 3], { length: 50 }),
];

/** Every kind by its name. */
const KINDS: Readonly<Record<string, Maker>> = {
  nothing: (g) => g.random.pick([undefined, null, true, false]),
  number: (g) => g.random.pick([0, -0, 1e308, -1e-320, Number.NaN, Infinity, -Infinity, 2 ** 53 + 2, 0.1 + 0.2]),
  text: (g) => g.hostileText(),
  "a lone surrogate": (g) => `${g.hostileText(2)}\ud800${g.hostileText(2)}\udc00`,
  "a long text": (g) =>
    g.random.pick(["x", "\u0000", "é", "😀", "\ud83d", '"', "\\", "\n"]).repeat(g.random.pick([4000, 20_000, 200_000])),
  bigint: () => 2n ** 200n,
  symbol: (g) => g.random.pick([Symbol("s\u0000"), Symbol.iterator, Symbol()]),
  function: (g) =>
    g.random.pick([
      () => 1,
      class A {},
      Object.defineProperty(() => 1, "name", { get: thrower("name") }),
      Object.defineProperty(() => 1, "name", { value: Symbol("n") }),
    ]),
  date: (g) =>
    g.random.pick([
      new Date(0),
      new Date(Number.NaN),
      new Date(8.64e15),
      Object.assign(new Date(0), { toISOString: () => 42 }),
    ]),
  getter: (g) =>
    Object.defineProperty(
      { a: 1 },
      g.random.pick(["b", "message", "event", "level", "cost_usd", "metadata", "error", "toJSON"]),
      { get: thrower(g.random.pick([new Error("got"), null, revoked({}), "x"])), enumerable: true },
    ),
  proxy: (g) =>
    g.oneIn(30) ? endless() : new Proxy(g.random.pick<object>([{}, [], new Error("p"), () => {}]), trapsOf(g)),
  "a revoked proxy": (g) => revoked(g.random.pick<object>([{}, [], () => {}, new Error("r")])),
  circle,
  toJSON: (g) => {
    const self: Record<string, unknown> = { a: 1, message: "m" };
    self.toJSON = g.random.pick([
      thrower(new Error("json")),
      () => self,
      () => undefined,
      () => 1n,
      () => ({ toJSON: () => 1 }),
      () => "x".repeat(50_000),
      () => revoked({}),
      () => [self],
    ]);
    return self;
  },
  error: (g) =>
    g.random.pick([
      new Error("e"),
      causes(),
      Object.assign(new Error("m"), { message: Symbol("m") }),
      Object.defineProperty(new Error("s"), "stack", { get: thrower("stack") }),
      new AggregateError([new Error("a"), 1], "all"),
      new DOMException("d"),
      Object.assign(new Error("long"), { stack: "x\n".repeat(50_000) }),
    ]),
  "a large array": (g) => g.random.pick(LARGE_ARRAYS),
  bytes: (g) =>
    g.random.pick([
      new Uint8Array(100_000),
      new Float64Array([Number.NaN, -0]),
      new BigInt64Array(20),
      Buffer.from("x"),
      new ArrayBuffer(8),
      new SharedArrayBuffer(8),
      new DataView(new ArrayBuffer(4)),
      structuredClone(new Uint8Array(8), {}),
    ]),
  "a large object": (g) => g.random.pick(LARGE_OBJECTS),
  collection: (g) =>
    g.random.pick([
      new Map<unknown, unknown>([
        [{}, 1],
        ["a", new Map()],
      ]),
      new Set([1, "a", new Set([2])]),
      new WeakMap(),
      new WeakSet(),
      new Nameless([["a", 1]]),
      LARGE_MAP,
    ]),
  instance: (g) =>
    g.random.pick([
      new Point(),
      new URL("http://x/?a"),
      /x/g,
      Promise.resolve(1),
      new AbortController(),
      Object(1n),
      Object(Symbol("o")),
      Object("text"),
      globalThis,
      process,
      new Intl.NumberFormat(),
    ]),
  "no prototype": (g) => Object.assign(Object.create(null), { message: g.hostileText(), constructor: 1 }),
  "a deep object": (g) =>
    nested(g.random.pick([31, 32, 33, 20_000]), g.oneIn(2) ? (inner) => ({ inner }) : (inner) => [inner]),
  prototype: () =>
    JSON.parse(
      '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"message":"m","metadata":{"__proto__":{"polluted":true}}}',
    ) as object,
  "hostile names": (g) =>
    Object.fromEntries([
      [g.hostileText(), 1],
      ["\ud800", 2],
      ["password", "p"],
      ["x".repeat(10_000), 3],
      ["__proto__", 4],
    ]),
  fields: (g, depth) => fieldsOf(g, depth),
  list: (g, depth) => Array.from({ length: g.random.between(0, 4) }, () => hostileValue(g, depth + 1)),
};

/** The names of all kinds, for a grammar. */
export const VALUE_KINDS: readonly string[] = Object.keys(KINDS);

/** Names of fields that lines have, where they expect something else. */
const FIELD_NAMES = [
  "message",
  "event",
  "level",
  "timestamp",
  "metadata",
  "error",
  "err",
  "backend",
  "cost_usd",
  "cost_source",
  "duration_ms",
  "truncated",
  "layer",
  "current",
  "total",
  "a",
  "stream",
];

function fieldsOf(g: Grammar, depth: number): object {
  const names = g.random.shuffle(FIELD_NAMES).slice(0, g.random.between(0, 5));
  return Object.fromEntries(names.map((name) => [name, hostileValue(g, depth + 1)]));
}

function trapsOf(g: Grammar): ProxyHandler<object> {
  const thrown = thrower(new Error("trapped"));
  return g.random.pick<ProxyHandler<object>>([
    { get: thrown },
    { ownKeys: thrown },
    { getPrototypeOf: thrown },
    { getOwnPropertyDescriptor: thrown },
    { has: thrown, get: () => undefined },
    { get: (_, name) => (name === "toJSON" ? () => "json" : Symbol("got")) },
    {
      ownKeys: () => Array.from({ length: 5000 }, (_, at) => `k${at}`),
      getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true, configurable: true }),
    },
  ]);
}

/** A value of any kind, counted in the grammar under its kind. */
export function hostileValue(g: Grammar, depth = 0): unknown {
  const kinds = depth > 2 ? VALUE_KINDS.slice(0, 6) : VALUE_KINDS;
  const kind = g.random.pick(kinds);
  g.mutations.set(kind, (g.mutations.get(kind) ?? 0) + 1);
  return (KINDS[kind] as Maker)(g, depth);
}
