/** A grammar of stored lines, in every format that readers understand. */
import { type Grammar, HOSTILE_PIECES } from "./grammar.js";

const TEXTS = ["event", "job_id", "layer", "layer_name", "status", "error", "backend", "model", "tier", "step_name"];
const MORE_TEXTS = ["traceback", "prompt_preview", "system_prompt_preview", "user_prompt_preview", "result_preview"];
const LAST_TEXTS = [
  "session_id",
  "raw_output",
  "stderr",
  "module",
  "component",
  "context",
  "prefix",
  "stream",
  "reason",
];
const AMOUNTS = [
  "duration_ms",
  "input_tokens",
  "output_tokens",
  "total_tokens",
  "prompt_length",
  "result_length",
  "dropped",
];

/** The fields of a line that can be hostile. */
export const LINE_FIELDS: readonly string[] = [
  ...["timestamp", "level", "message", "cost_usd", "cost_source", "metadata", "truncated"],
  ...[...TEXTS, ...MORE_TEXTS, ...LAST_TEXTS, ...AMOUNTS],
  ...[
    "names",
    "nesting",
    "spaces",
    "stamp",
    "bracket",
    "pairs",
    "prefix_mark",
    "embedded",
    "backend_mark",
    "size",
    "bytes",
  ],
];

/** A field that nobody knows; a line that is an object has it. */
export const UNKNOWN_FIELD = "zz_unknown";

/** JSON texts that are of any type but the one that is expected. */
const JSON_TEXTS: readonly string[] = [
  ...["null", "true", "false", "0", "-0", "-1", "1.5", "1e3", "1e308", "1e999", "-1e999", "9007199254740993", "1e-320"],
  ...[
    '""',
    '" "',
    '"\\u0000"',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\u2028\\u202e"',
    '"\\n\\r"',
    '"\\u001b[31m"',
    '"<script>"',
  ],
  ...[
    '"NaN"',
    '"-1"',
    '"2026-01-14T10:00:00Z"',
    '"__proto__"',
    "[]",
    "{}",
    "[[]]",
    "[null]",
    '{"a":{"b":[]}}',
    '[{"a":1}]',
  ],
  ...[
    '{"__proto__":{"polluted":true}}',
    '{"constructor":{"prototype":{"polluted":true}}}',
    '{"message":"x","stack":"y"}',
  ],
  ...[
    '{"message":{"message":1},"stack":[]}',
    '{"toString":1,"valueOf":2,"toJSON":3,"then":4,"length":5}',
    `"${"x".repeat(5000)}"`,
  ],
];
const NAMES = [
  ...[
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "toJSON",
    "then",
    "hasOwnProperty",
    "index",
    "source",
    "logs",
  ],
  ...[
    "",
    " ",
    "a.b",
    "😀",
    "\\ud800",
    "\\u0000",
    "stack",
    "stack_trace",
    "err",
    "time",
    "ts",
    "msg",
    "raw",
    "x".repeat(2000),
  ],
];

/** Writes one line. */
export function writeLine(g: Grammar): string {
  g.begin();
  const { random } = g;
  let line = random.pick([jsonLine, jsonLine, jsonLine, envelopeLine, textLine, textLine])(g);
  line = g.form(
    "size",
    () => line,
    () => {
      const length = g.oneIn(150) ? 1_000_000 : random.between(1000, 20_000);
      const filling = `${random.pick(HOSTILE_PIECES)}${random.pick(HOSTILE_PIECES)}x`;
      return line + filling.repeat(Math.ceil(length / filling.length));
    },
  );
  return g.form(
    "bytes",
    () => line,
    () => damaged(g, line),
  );
}

/** A line whose UTF-8 bytes were changed, as a store gives it back. */
function damaged(g: Grammar, line: string): string {
  const bytes = Buffer.from(line);
  for (let times = g.random.between(1, 4); times > 0 && bytes.length > 0; times -= 1) {
    bytes[g.random.between(0, bytes.length - 1)] = g.random.pick([
      0, 0x22, 0x5b, 0x7b, 0x5c, 0x80, 0xc0, 0xed, 0xff, 0x1b,
    ]);
  }
  return bytes.toString();
}

function jsonLine(g: Grammar): string {
  return objectText(
    g,
    g.form(
      "message",
      () => (g.oneIn(2) ? '"hello"' : null),
      () => g.random.pick(JSON_TEXTS),
    ),
  );
}

/** An object that is only an envelope of text. */
function envelopeLine(g: Grammar): string {
  const text = g.oneIn(2) ? textLine(g) : jsonLine(g);
  const rest = g.oneIn(2) ? '"metadata":{"a":1},' : "";
  return `{"timestamp":"2026-01-14T10:00:00.000Z",${rest}"message":${JSON.stringify(text)}}`;
}

/** An object's text; `message` is JSON text, null for none. */
function objectText(g: Grammar, message: string | null): string {
  const { random } = g;
  const pairs: string[] = [];
  const put = (name: string, value: string | null): void => {
    if (value !== null) pairs.push(`"${name}":${value}`);
  };
  const hostile = (): string => random.pick(JSON_TEXTS);
  put(
    "timestamp",
    g.form(
      "timestamp",
      () => '"2026-01-14T10:00:00.000Z"',
      () => (g.oneIn(2) ? hostile() : random.pick(TIMES)),
    ),
  );
  put(
    "level",
    g.form(
      "level",
      () => random.pick(['"info"', '"ERROR"', "30", null]),
      () => (g.oneIn(2) ? hostile() : random.pick(LEVELS)),
    ),
  );
  put("message", message);
  for (const name of [...TEXTS, ...MORE_TEXTS, ...LAST_TEXTS]) {
    put(
      name,
      g.form(
        name,
        () => (g.oneIn(8) ? JSON.stringify(random.pick(WORDS)) : null),
        () => (g.oneIn(2) ? hostile() : JSON.stringify(g.hostileText())),
      ),
    );
  }
  for (const name of AMOUNTS)
    put(
      name,
      g.form(name, () => (g.oneIn(8) ? "1500" : null), hostile),
    );
  put(
    "cost_usd",
    g.form(
      "cost_usd",
      () => (g.oneIn(4) ? "0.002" : null),
      () => random.pick(["1e6", "1000001", "-0.1", hostile()]),
    ),
  );
  put(
    "cost_source",
    g.form("cost_source", () => (g.oneIn(4) ? '"provider"' : null), hostile),
  );
  put(
    "truncated",
    g.form("truncated", () => null, hostile),
  );
  put(
    "metadata",
    g.form(
      "metadata",
      () => (g.oneIn(3) ? '{"a":1,"duration_ms":5,"stack_trace":"t"}' : null),
      () => {
        const inside = random
          .shuffle(LINE_FIELDS)
          .slice(0, 5)
          .map((name) => `"${name}":${hostile()}`);
        return g.oneIn(3) ? hostile() : `{${[...inside, '"__proto__":{"polluted":true}'].join(",")}}`;
      },
    ),
  );
  g.form(
    "names",
    () => {},
    () => put(random.pick(NAMES), hostile()),
  );
  g.form(
    "nesting",
    () => {},
    () => put("deep", nested(random.pick([2, 90, 99, 100, 101, 5000]), g.oneIn(2))),
  );
  put(UNKNOWN_FIELD, "7");
  const text = `{${random.shuffle(pairs).join(",")}}`;
  return g.form(
    "spaces",
    () => text,
    () =>
      `${random.pick([" ", "\t\n", "\u00a0", "\ufeff", " ".repeat(5000)])}${text}${random.pick(["", " ", "\n", ",", "}", "x"])}`,
  );
}

function nested(depth: number, arrays: boolean): string {
  return arrays ? `${"[".repeat(depth)}${"]".repeat(depth)}` : `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
}

const WORDS = [
  "import",
  "layer_start",
  "layer_error",
  "llm_call_complete",
  "log_gap",
  "owner_lost",
  "job_scored",
  "x",
  "claude_cli",
  "running",
];
const TIMES = [
  "1768384800",
  "1768384800000",
  "1768384800.5",
  '"2026-01-14 10:22:33,123"',
  '"2026-13-14T10:00:00Z"',
  '"0000-00-00T00:00:00Z"',
  '"2026-01-14T25:00:00Z"',
];
const LEVELS = [
  '"fatal"',
  '"Warning"',
  "9",
  "61",
  "NaN".length.toString(),
  '"INFO "',
  '"notice"',
  '"__proto__"',
  '"constructor"',
];

/** Text as services print it. */
function textLine(g: Grammar): string {
  const { random } = g;
  const hostile = (): string => g.hostileText();
  const stamp = g.form(
    "stamp",
    () => random.pick(["", "2026-01-14 10:22:33 [INFO] ", "[ERROR] ", "2026-01-14T10:22:33.5Z [warn] mod.x: "]),
    () =>
      random.pick([
        "2026-99-99 10:22:33 [INFO] ",
        "[ERROR]",
        "2026-01-14 10:22:33 [INFO]",
        "2026-01-14 10:22:33 [] ",
        "[\u001b[31mERROR\u001b[0m] ",
        "\u001b[31m[ERROR] ",
        "[ERROR] [ERROR] ",
        "[NOPE] ",
        `2026-01-14 10:22:33 [INFO] ${"a.".repeat(100)}: `,
        hostile(),
      ]),
  );
  const bracket = g.form(
    "bracket",
    () => random.pick(["", "[Worker:job 7] ", "[cache_hit] "]),
    () =>
      random.pick([
        "[",
        "[]",
        "[:]",
        "[a:]",
        "[:b]",
        "[[a:b]]",
        `[${"a".repeat(300)}]`,
        "[a:b:c] ",
        "[__proto__] ",
        "[a:b]",
        hostile(),
      ]),
  );
  const pairs = g.form(
    "pairs",
    () => random.pick(["", "a=1, b=two, c=true", "done"]),
    () =>
      random.pick([
        "=",
        "a=",
        "=b",
        "a=b,c=d",
        "__proto__=1, constructor=2",
        "a=1, a=2, , ,",
        "a=1e999, b=-0, c=0x1",
        `${"k=v, ".repeat(500)}`,
        `a=${"=".repeat(500)}`,
        hostile(),
      ]),
  );
  const mark = g.form(
    "prefix_mark",
    () => random.pick(["", "", "❌ score: "]),
    () => random.pick(["❌", "❌ : ", "⚠ a.b-c:  ", "❌❌❌❌❌ x: ", "❌ __proto__: ", hostile()]),
  );
  const embedded = g.form(
    "embedded",
    () => (mark !== "" && g.oneIn(2) ? '{"score":8,"error":"x"}' : ""),
    () =>
      random.pick([
        "{",
        "}",
        "{}",
        '{"a":1}}',
        "{{}}",
        '{"__proto__":{"polluted":true}}',
        `{"a":${nested(3000, true)}}`,
        objectText(g, '"m"'),
      ]),
  );
  const backend = g.form(
    "backend_mark",
    () => "",
    () => random.pick(["[Claude CLI]", "[Fallback]", "[LangChain] [Claude CLI]", "[claude cli]"]),
  );
  const tail = g.oneIn(20) ? 'Traceback (most recent call last):\n  File "x", line 1\nValueError: y' : "";
  return `${stamp}${bracket}${mark}${embedded}${pairs}${backend}${tail}`;
}
