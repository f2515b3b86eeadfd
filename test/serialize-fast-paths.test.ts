/**
 * Most lines are short, plain, of a known event and of the second of the line before: each of these is a shorter way
 * through the encoder. Here what comes out of it is compared with what the long way makes of generated input.
 */
import { describe, expect, test } from "vitest";
import { arePlainLines as arePlainLinesOf, createSecretSearch, isPlain as isPlainOf } from "../src/secrets.js";
import { createLineEncoder } from "../src/serialize.js";
import { FUZZ_SEED } from "./support/fuzz-seed.js";
import { Grammar, HOSTILE_PIECES } from "./support/grammar.js";
import { hostileValue, VALUE_KINDS } from "./support/hostile-values.js";
import { type SeededRandom, seededRandom } from "./support/seeded-random.js";

const AT = Date.UTC(2026, 0, 14, 10, 0, 0);
const now = (): number => AT;
const HEAD = `{"timestamp":"${new Date(AT).toISOString()}"`;

/** What the line of a text that fits is, by JSON.stringify alone. */
function lineOf(text: string): string {
  const flag = text.isWellFormed() ? "" : ',"truncated":true';
  return `${HEAD},"message":${JSON.stringify(text.toWellFormed())}${flag}}`;
}

describe.each([
  ["", undefined],
  [", and looked at for no secrets", false as const],
])("A string is written as JSON.stringify writes it%s", (_, redactPatterns) => {
  const encoder = createLineEncoder({ now, ...(redactPatterns === false && { redactPatterns }) });

  test("whichever UTF-16 unit it holds, in a short one and in a long one", () => {
    const wrong: number[] = [];
    for (let unit = 0; unit <= 0xffff; unit += 1) {
      const text = String.fromCharCode(unit);
      const longer = ["x".repeat(400) + text, `a ${text} b`.repeat(60), "words of ".slice(unit % 9) + text.repeat(30)];
      if ([text, ...longer].some((one) => encoder.message(one) !== lineOf(one))) wrong.push(unit);
    }
    expect(wrong).toEqual([]);
  });

  test("of any length, whatever it is made of", () => {
    const random = seededRandom(FUZZ_SEED);
    const pieces = [...HOSTILE_PIECES, "\ud83d", "\ude00", "plain words ", "żółw "];
    for (let at = 0; at < 3000; at += 1) {
      const length = random.pick([0, 1, 40, 254, 255, 256, 257, 258, 900]);
      let text = "";
      while (text.length < length) text += random.pick(pieces);
      text = text.slice(0, length);
      expect(encoder.message(text)).toBe(lineOf(text));
    }
  });
});

describe("A text that one search finds to be plain", () => {
  const search = createSecretSearch();
  const { mayHoldKey, toLookAt } = search;
  const isPlain = (text: string): boolean => isPlainOf(search, text);
  const arePlainLines = (text: string): boolean => arePlainLinesOf(search, text);

  test("is one in which nothing is found character by character, whatever it is made of", () => {
    const random = seededRandom(FUZZ_SEED);
    const words = Array.from({ length: 19 }, (_, length) => "aZ0_-9xQ-bc_d1e2f-3".slice(0, length));
    const gaps = [" ", " ", ". ", "/", ": ", "é", "日本", "`", "[", "]", "^", "{", "+", "&", "(", "<", ">", "?"];
    const looked = ["=", "@", "'", '"', "\\", "\n", "\t", "\ud800", "😀"];
    const found = new Map<string, number>();
    for (let at = 0; at < 30_000; at += 1) {
      let text = "";
      const least = random.pick([0, 10, 19, 20, 21, 60, 255, 257, 700]);
      const rare = random.pick([5, 100, 10_000]);
      while (text.length < least) text += random.pick(words) + random.pick(gaps);
      text = random.between(1, rare) <= 3 ? text + random.pick(looked) + random.pick(words) : text + random.pick(words);
      const shift = random.between(0, text.length);
      text = text.slice(shift) + random.pick(["", " "]) + text.slice(0, shift);
      const plain = !toLookAt.test(text) && !mayHoldKey(text);
      expect(isPlain(text), text).toBe(plain);
      const inOneLine = text.replaceAll("\n", " ");
      if (text.length >= 20)
        expect(arePlainLines(text), text).toBe(!toLookAt.test(inOneLine) && !mayHoldKey(inOneLine));
      found.set(`${plain}`, (found.get(`${plain}`) ?? 0) + 1);
    }
    for (const plain of ["true", "false"]) expect(found.get(plain)).toBeGreaterThan(3000);
  });

  test("has none of the characters that are to be looked at, wherever they stand", () => {
    const wrong: string[] = [];
    for (let unit = 0; unit <= 0xffff; unit += 1) {
      const one = String.fromCharCode(unit);
      const before = "a fifteen-letter and ".slice(unit % 17);
      for (const text of [before + one, `${before}${one} and more`, `${one} ${before}`]) {
        if (isPlain(text) === toLookAt.test(one)) wrong.push(text);
        if (arePlainLines(text) === (toLookAt.test(one) && one !== "\n")) wrong.push(text);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("has no word of sixteen characters, wherever it stands and ends", () => {
    const before = "ab c-d é ".repeat(5);
    const behind = ". x yz 1_2".repeat(5);
    for (let from = 0; from <= before.length; from += 1) {
      for (let to = 0; to <= 40; to += 1) {
        const around = (word: string): string => `${before.slice(before.length - from)}${word}${behind.slice(0, to)}`;
        expect(isPlain(around("fifteen-letters")), around("fifteen-letters")).toBe(true);
        expect(isPlain(around("sixteen_letters-")), around("sixteen_letters-")).toBe(from + to < 4);
        expect(arePlainLines(around("\nfifteen-letters\n"))).toBe(true);
        expect(arePlainLines(around("\nsixteen_letters-\n"))).toBe(false);
      }
    }
  });
});

describe("A line is the same when each of its strings is looked at closely", () => {
  const encoder = createLineEncoder({ now });
  /** A pattern of one's own, which may be in any string and is in none. */
  const closely = createLineEncoder({ now, redactPatterns: [/(?!)/] });
  const RANDOM = "Ab3dEf6hIj9lMn2pQr5tUv8xYz1-_bC4eF7";
  const SECRETS = [
    ...[`sk-ant-api03-${RANDOM}`, `Bearer ${RANDOM}`, `x-api-key: ${RANDOM}`, "AKIAIOSFODNN7EXAMPLE", `ghp_${RANDOM}`],
    ...["password=hunter2hunter2", "redis://:hunter2@h", '{"token":"hunter2"}', "{'secret': 'hunter2'}"],
    ...["Cookie: sid=hunter2; a=b", "Basic dXNlcjpodW50ZXIyaHVudGVyMg==", `-----BEGIN PRIVATE KEY-----\n${RANDOM}\n`],
    `eyJhbGciOiJIUzI1NiJ9.${RANDOM}.${RANDOM}`,
  ];
  const AROUND = [
    "",
    " ",
    "\n",
    '"',
    "\\",
    "\t",
    "é ",
    "日本",
    "😀",
    "\ud800",
    "plain words ",
    "a_long_name_of_a_field ",
  ];
  const told = (line: string): void => {
    for (const part of [RANDOM.slice(0, 8), "hunter2", "IOSFODNN7", "dXNlcjpod"]) expect(line).not.toContain(part);
  };

  test("with a secret at the beginning, in the middle and at the end of any value", () => {
    for (const secret of SECRETS) {
      for (const before of AROUND) {
        for (const behind of AROUND) {
          // A word goes on beyond the key that it ends with, and says nothing of it.
          for (const text of [
            before + secret,
            `${secret} ${behind}`,
            `${before}${secret} ${behind}`,
            `${"dull ".repeat(60)}${before}${secret}`,
          ]) {
            const event = {
              message: text,
              list: [text, [text]],
              deep: { deeper: { text } },
              layer: text,
              map: new Map([["a", text]]),
            };
            const line = encoder.event("info", "x", event);
            expect(line).toBe(closely.event("info", "x", event));
            told(line);
            expect(encoder.message(text, { [text]: 1 })).toBe(closely.message(text, { [text]: 1 }));
            expect(encoder.event("info", text, undefined)).toBe(closely.event("info", text, undefined));
            expect(encoder.bindings({ text })).toBe(closely.bindings({ text }));
            told(encoder.message(text) + encoder.event("info", text, undefined) + encoder.bindings({ text }));
          }
        }
      }
    }
  });

  test("when its cap cuts it", () => {
    const options = { now, maxLineBytes: 1024 };
    const small = createLineEncoder(options);
    const smallClosely = createLineEncoder({ ...options, redactPatterns: [/(?!)/] });
    for (const secret of SECRETS) {
      for (const filler of ["x ", "é ", "日 ", "a\n"]) {
        for (let units = 700; units <= 1100; units += 13) {
          const text = `${filler.repeat(units >> 1)}${secret} ${filler.repeat(900)}`;
          const line = small.message(text, { text });
          expect(line).toBe(smallClosely.message(text, { text }));
          told(line);
        }
      }
    }
  });

  test("when what would be one secret stands in two values", () => {
    const fields = {
      a: "password=",
      b: "hunter2",
      label: "Bearer",
      key: RANDOM,
      tail: ["sk-", RANDOM],
      [RANDOM]: "x-api-key:",
    };
    const line = encoder.event("info", "x", fields);
    expect(line).toBe(closely.event("info", "x", fields));
    expect(JSON.parse(line).metadata).toEqual(fields);
  });

  test("whatever it is made of", () => {
    const random = seededRandom(FUZZ_SEED);
    const pieces = [
      ...HOSTILE_PIECES,
      ...SECRETS,
      ...AROUND,
      "\\n",
      "words ",
      "of a text, ",
      "stage-3.js:17:4\n",
      "\ud83d",
    ].filter((piece) => piece !== "");
    const any = (): string => {
      let text = "";
      const length = random.pick([0, 10, 30, 300, 2000, 17_000]);
      const few = random.shuffle(pieces).slice(0, random.between(1, 12));
      while (text.length < length) text += random.pick(few);
      return text;
    };
    for (let at = 0; at < 600; at += 1) {
      const [text, value] = [
        any(),
        { [any()]: any(), list: [any(), { a: any() }], metadata: { b: any() }, prompt_preview: any() },
      ];
      expect(encoder.message(text, value)).toBe(closely.message(text, value));
      expect(encoder.event("warn", text, value, encoder.bindings(value))).toBe(
        closely.event("warn", text, value, closely.bindings(value)),
      );
      expect(encoder.text(text)).toBe(closely.text(text));
      expect(encoder.plain(value)).toEqual(closely.plain(value));
    }
  });
});

test("A time is written as Date writes it, however the clock goes", () => {
  const random = seededRandom(FUZZ_SEED);
  let ms = AT;
  const encoder = createLineEncoder({ now: () => ms });
  for (let at = 0; at < 20_000; at += 1) {
    ms += random.pick([0, 0, 1, 1, 7, 99, 100, 999, 1000, 1001, -1, -1000, 0.25, 1 / 3]);
    if (random.between(1, 100) === 1) ms = random.pick([0, -1, -1000, -0.5, 999.5, 8.64e15, -8.64e15, AT, AT + 0.999]);
    if (Math.abs(ms) > 8.64e15) ms = AT;
    expect(JSON.parse(encoder.event("info", "x", undefined)).timestamp).toBe(new Date(ms).toISOString());
  }
});

test("An event that was logged before is written as one that was not", () => {
  const random = seededRandom(FUZZ_SEED);
  const options = { now, maxLineBytes: 1024 };
  const encoder = createLineEncoder(options);
  const names = Array.from({ length: 3000 }, (_, at) => `${random.pick(HOSTILE_PIECES)}_${at}`);
  names.push("x".repeat(64), "x".repeat(65), "x".repeat(20_000), "\ud800", "");
  for (let at = 0; at < 5000; at += 1) {
    const name = random.pick(names);
    const level = random.pick(["debug", "info", "warn", "error"] as const);
    const fields = { list: Array.from({ length: random.pick([1, 1, 400, 600]) }, () => 1) };
    expect(encoder.event(level, name, fields)).toBe(createLineEncoder(options).event(level, name, fields));
  }
});

test("Plain data comes out as it went in", () => {
  const random = seededRandom(FUZZ_SEED);
  const encoder = createLineEncoder({ now, maxLineBytes: 1_048_576 });
  for (let at = 0; at < 3000; at += 1) {
    const fields = plainFields(random, 0);
    expect(JSON.parse(encoder.message("m", { fields })).metadata).toEqual({ fields });
    expect(JSON.parse(encoder.event("info", "x", { fields })).metadata).toEqual({ fields });
    const own = JSON.parse(encoder.message({ ...fields, metadata: { fields } }));
    expect(own).toEqual({ timestamp: expect.any(String), ...fields, metadata: { fields } });
  }
});

function plainFields(random: SeededRandom, depth: number): Record<string, unknown> {
  const names = Array.from({ length: random.between(1, 6) }, () => random.pick(["a", "b ü", "layer", "c_d", "7", '"']));
  return Object.fromEntries(names.map((name) => [name, plainValue(random, depth + 1)]));
}

function plainValue(random: SeededRandom, depth: number): unknown {
  const kind = random.between(0, depth > 4 ? 5 : 7);
  if (kind === 0) return random.pick([null, true, false]);
  if (kind <= 2) return random.pick([0, 1, -7, 0.1 + 0.2, 1e21, 5e-324, 2 ** 53, 900]);
  if (kind <= 5) return random.pick(HOSTILE_PIECES).repeat(random.between(1, 3));
  if (kind === 6) return Array.from({ length: random.between(0, 4) }, () => plainValue(random, depth + 1));
  return plainFields(random, depth);
}

test("A line is the same whatever the encoder wrote before it", () => {
  const g = new Grammar(VALUE_KINDS, seededRandom(FUZZ_SEED));
  const used = createLineEncoder({ now });
  let compared = 0;
  for (let at = 0; at < 400; at += 1) {
    const instances = g.mutations.get("instance");
    const value = hostileValue(g) as never;
    const others = hostileValue(g) as never;
    // Some instances, the process among them, say something else each time that they are asked.
    if (g.mutations.get("instance") !== instances) continue;
    compared += 1;
    const fresh = createLineEncoder({ now });
    expect(used.message(value, others)).toBe(fresh.message(value, others));
    expect(used.event("info", "x", value)).toBe(fresh.event("info", "x", value));
    expect(used.toldOfCall).toBe(fresh.toldOfCall);
    expect(used.plain(value)).toEqual(fresh.plain(value));
  }
  expect(compared).toBeGreaterThan(200);
});

test("A line that is logged while another is written leaves that one alone", () => {
  const encoder = createLineEncoder({ now });
  const circle: Record<string, unknown> = { token: "t", cost_usd: 1 };
  circle.self = circle;
  const inner: string[] = [];
  const fields = {
    before: 1,
    get logs() {
      inner.push(encoder.message("inner", circle), encoder.event("warn", "inner", { a: encoder.plain(circle) }));
      return 2;
    },
    after: { a: "ü" },
  };
  const line = `${HEAD},"level":"info","event":"x","metadata":{"before":1,"logs":2,"after":{"a":"ü"}}}`;
  expect(encoder.event("info", "x", fields)).toBe(line);
  expect(encoder.toldOfCall).toBe(false);
  expect(inner[0]).toContain('"[circular]"');
});

describe("Whether a line may tell of a call of a model", () => {
  const encoder = createLineEncoder({ now });
  const told = (fields: unknown): boolean => {
    encoder.event("info", "x", fields as Record<string, unknown>);
    return encoder.toldOfCall;
  };

  test("is said of every line with a cost, wherever it stands", () => {
    for (const name of ["cost_usd", "costUsd", "cost_source", "costSource"]) {
      expect(told({ [name]: 1 })).toBe(true);
      expect(told({ metadata: { [name]: 1 } })).toBe(true);
      expect(told({ metadata: new Map([[name, 1]]) })).toBe(true);
    }
    const long = Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`field_${at}`, at]));
    expect(told({ ...long, cost_usd: 1 })).toBe(true);
  });

  test("is not said of others", () => {
    expect(told({ backend: "b", model: "m", metadata: { tags: ["a"] } })).toBe(false);
    expect(told(undefined)).toBe(false);
  });
});
