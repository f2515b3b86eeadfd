/** The query of a fuzzed request, with what its parameters mean. */
import { type Grammar, NO_INTEGERS } from "./grammar.js";
import type { KnownRun } from "./request-place.js";

/** The fields of a query that can be hostile. */
export const QUERY_FIELDS = [
  ...["cursor", "cursor_epoch", "cursor_position", "cursor_version", "since", "tail", "limit", "wait"],
  ...["query_encoding", "query_name_encoding", "query_duplicate", "query_unknown", "query_shape"],
  ...["list_status", "list_operation", "list_subject", "list_parent", "list_limit"],
] as const;

/** Where a viewer wants to begin, as the query says it. */
export type Wanted =
  | { kind: "beginning" }
  | { kind: "cursor"; epoch: string; next: number }
  | { kind: "since"; next: number }
  | { kind: "tail"; count: number };

/** A query and its meaning. */
export interface RequestQuery {
  readonly text: string;
  /** A parameter of a poll is there that is none. */
  readonly badPoll: boolean;
  /** A parameter of the list is there that is none. */
  readonly badList: boolean;
  readonly from: Wanted;
  readonly limit: number;
  readonly waitMs: number;
}

interface Parameter {
  name: string;
  text: string;
  ok: boolean;
}

/** Writes the query of a request about `run`. A `staying` one may wait for long. */
export function queryOf(g: Grammar, run: KnownRun | null, staying: boolean, list: boolean): RequestQuery {
  const { random } = g;
  const given: Parameter[] = [];
  const give = (name: string, text: string, ok: boolean): void => void given.push({ name, text, ok });
  const hostile = (): string => (g.oneIn(4) ? `${g.hostileText()}!` : random.pick(NO_INTEGERS));
  let from: Wanted = { kind: "beginning" };
  let limit = 500;
  let waitMs = 0;

  const next = run?.next ?? 5;
  const count = random.pick([0, 1, 2, 5, next]);
  g.form(
    "tail",
    () => g.oneIn(10) && give("tail", String(count), true),
    () => give("tail", hostile(), false),
  );
  if (has(given, "tail")) from = { kind: "tail", count };
  const index = random.pick([
    0,
    1,
    Math.max(0, next - 1),
    next,
    next + 3,
    random.between(0, next),
    999_999_999_999_999,
  ]);
  g.form(
    "since",
    () => g.oneIn(4) && give("since", String(index), true),
    () => give("since", hostile(), false),
  );
  if (has(given, "since")) from = { kind: "since", next: index };
  const cursor = cursorOf(g, run, staying);
  g.form(
    "cursor",
    () => (cursor.mutated || g.oneIn(staying ? 2 : 3)) && give("cursor", cursor.text, cursor.wanted !== null),
    () => give("cursor", g.oneIn(2) ? `${g.hostileText()}!` : random.pick(NO_CURSORS), false),
  );
  if (has(given, "cursor") && cursor.wanted !== null) from = cursor.wanted;

  const asked = random.pick([1, 2, 7, 500, 1000]);
  if (!list) {
    g.form(
      "limit",
      () => g.oneIn(8) && give("limit", String(asked), true),
      () => give("limit", random.pick(["0", "1001", hostile()]), false),
    );
    if (given.some(({ name }) => name === "limit")) limit = asked;
  }
  const wait = staying
    ? random.pick(["5", "20", "30", "29.999", "30.000", "9.5"])
    : random.pick(["0", "0.001", "0.01", "00", "0.000"]);
  g.form(
    "wait",
    () => g.oneIn(staying ? 1 : 30) && give("wait", wait, true),
    () => give("wait", random.pick(NO_WAITS), false),
  );
  if (given.some(({ name, ok }) => name === "wait" && ok)) waitMs = Number(wait) * 1000;

  if (list) giveListParameters(g, give);
  g.form(
    "query_unknown",
    () => {},
    () => give(random.pick(UNKNOWN), g.hostileText(3), true),
  );
  g.form(
    "query_duplicate",
    () => {},
    () => {
      const twice = given.find(({ name }) => !UNKNOWN.includes(name));
      if (twice !== undefined) {
        twice.ok = false;
        given.push({ ...twice });
      }
    },
  );

  const isList = (name: string): boolean => name === "status" || NAMES.includes(name);
  const bad = given.filter(({ ok }) => !ok).map(({ name }) => name);
  let text = random
    .shuffle(given)
    .map((parameter) => spelled(g, parameter, bad))
    .join("&");
  text = g.form(
    "query_shape",
    () => text,
    () => random.pick([`&${text}`, `${text}&`, `&&${text}&&`, `=${text === "" ? "" : "&"}${text}`, `?&${text}`]),
  );
  const badPoll = bad.some((name) => !isList(name));
  return { text, badPoll, badList: list && bad.some((name) => isList(name) || name === "limit"), from, limit, waitMs };
}

const has = (given: readonly Parameter[], name: string): boolean => given.some((parameter) => parameter.name === name);

const NO_CURSORS = [
  ...[
    "a",
    "a.",
    ".1",
    "a.1.",
    "a.1.2.3",
    "A.1",
    "a.01",
    "a.1.02",
    "a.-1",
    "a.1.-1",
    "a..1",
    "a.1e3",
    "abcdefghijklm.1",
    "a.١",
  ],
  ...[
    "a 1",
    "a.1 ",
    " a.1",
    "a.1\n",
    "\u0000a.1",
    "é.1",
    "a.9999999999999999",
    "a.1.9999999999999999",
    "null",
    "undefined",
    "a,1",
    "__proto__.1",
  ],
];
const NO_WAITS = [
  "-1",
  "31",
  "30.001",
  "1e1",
  "0x1",
  "NaN",
  "Infinity",
  "1,5",
  ".5",
  "5.",
  "1.2345",
  " 1",
  "١",
  "9".repeat(30),
  "",
  "null",
];
/** Parameters that may be any text. */
const NAMES = ["operation", "subject_id", "parent_id"];
const UNKNOWN = [
  "x",
  "since[]",
  "Since",
  "cursor ",
  " cursor",
  "since.0",
  "limits",
  "__proto__",
  "constructor",
  "wait;",
  "😀",
  "",
  "callback",
];

interface FuzzedCursor {
  text: string;
  /** null: it is no cursor. */
  wanted: Wanted | null;
  mutated: boolean;
}

function cursorOf(g: Grammar, run: KnownRun | null, staying: boolean): FuzzedCursor {
  const { random } = g;
  const total = run?.next ?? 5;
  let epoch = run?.epoch ?? "a";
  let next = staying ? total : random.pick([0, 1, total, total, random.between(0, total)]);
  let version: number | null = staying || g.oneIn(2) ? (run?.version ?? 1) : null;
  let ok = true;
  let mutated = false;
  const hostile = (apply: () => void) => () => {
    mutated = true;
    apply();
  };
  let texts = [epoch, String(next), version === null ? null : String(version)];
  g.form(
    "cursor_epoch",
    () => {},
    hostile(() => {
      epoch = random.pick(["0", "a", "zzzzzzzzzzzz", "123456789012", "k3f9x2mq07ab"]);
      texts[0] = epoch;
      if (g.oneIn(3)) {
        ok = false;
        texts[0] = random.pick(["", "A", "é", "a-b", "a".repeat(13), "%", " "]);
      }
    }),
  );
  g.form(
    "cursor_position",
    () => {},
    hostile(() => {
      next = random.pick([total + 1, total + 100, 999_999_999_999_999]);
      texts[1] = String(next);
      if (g.oneIn(2)) {
        ok = false;
        texts[1] = random.pick(NO_INTEGERS.filter((text) => !/^\d+\.\d+$/.test(text)));
      }
    }),
  );
  g.form(
    "cursor_version",
    () => {},
    hostile(() => {
      version = random.pick([0, 1, 999_999_999_999_999, 4_294_967_295]);
      texts[2] = String(version);
      if (g.oneIn(2)) {
        ok = false;
        texts[2] = random.pick(NO_INTEGERS);
      }
    }),
  );
  texts = texts.filter((text) => text !== null);
  return { text: texts.join("."), wanted: ok ? { kind: "cursor", epoch, next } : null, mutated };
}

function giveListParameters(g: Grammar, give: (name: string, text: string, ok: boolean) => void): void {
  const { random } = g;
  const name = (): string => random.pick(["import", "job-1", "x".repeat(1000), `${g.hostileText(3)}x`]);
  const noName = (): string => random.pick(["", "x".repeat(1001), "é".repeat(1001)]);
  g.form(
    "list_status",
    () => g.oneIn(3) && give("status", random.pick(["queued", "running", "completed", "failed", "cancelled"]), true),
    () =>
      give(
        "status",
        random.pick(["", "Running", "ended", "running,failed", "__proto__", `${g.hostileText()}!`]),
        false,
      ),
  );
  for (const [field, parameter] of [
    ["list_operation", "operation"],
    ["list_subject", "subject_id"],
    ["list_parent", "parent_id"],
  ] as const) {
    g.form(
      field,
      () => g.oneIn(6) && give(parameter, name(), true),
      () => (g.oneIn(2) ? give(parameter, noName(), false) : give(parameter, name(), true)),
    );
  }
  g.form(
    "list_limit",
    () => g.oneIn(4) && give("limit", random.pick(["1", "50", "1000"]), true),
    () => give("limit", random.pick(["0", "1001", "9999", ...NO_INTEGERS]), false),
  );
}

/** One parameter as it stands in the query; it notes in `bad` what its spelling breaks. */
function spelled(g: Grammar, { name, text }: Parameter, bad: string[]): string {
  const { random } = g;
  const everyByte = (plain: string): string =>
    [...Buffer.from(plain)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
  const value = g.form(
    "query_encoding",
    () => encodeURIComponent(text),
    () => {
      if (g.oneIn(2)) return everyByte(text);
      if (!UNKNOWN.includes(name)) bad.push(name);
      const misread = NAMES.includes(name) ? [] : ["\u00e9", "+1+"];
      return random.pick(["%", "%z1", "%c3", "%ff", "%ed%a0%80", "%c0%80", "1%", "%u0031", ...misread]);
    },
  );
  if (UNKNOWN.includes(name)) return `${encodeURIComponent(name)}=${value}`;
  // A name in another spelling is the same name.
  const key = g.form(
    "query_name_encoding",
    () => name,
    () => (g.oneIn(2) ? everyByte(name) : name.replace(/[aeiou]/, everyByte)),
  );
  return value === "" && g.oneIn(2) ? key : `${key}=${value}`;
}
