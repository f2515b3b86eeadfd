/**
 * Texts that are made to be slow, for everything that reads or writes a line: eight times the text may take at most
 * three times eight times the work. What counts is the time of this process's own work, not that of the clock.
 */
import { expect, it } from "vitest";
import { harmless } from "../src/cli/harmless.js";
import { renderEntry } from "../src/cli/terminal.js";
import { parseLine } from "../src/line.js";
import { parameter } from "../src/query.js";
import { createSecretSearch } from "../src/secrets.js";
import { createLineEncoder } from "../src/serialize.js";

const LENGTH = 100_000;
const TIMES = 8;
const SLACK = 3;
const ROUNDS = 12;
/**
 * Less work than that is not told from the collection of garbage, in microseconds. What is quadratic takes seconds for
 * the longer text, at a sixteenth of a nanosecond for each pair of characters.
 */
const LEAST = 10_000;

const encoder = createLineEncoder();
const secrets = createSecretSearch();

/** What is done with a text. */
const WORK: Readonly<Record<string, (text: string) => unknown>> = {
  "read as a line": (text) => JSON.stringify(parseLine(text, 0)),
  "read as the message of an envelope": (text) => parseLine(JSON.stringify({ message: text }), 0),
  "made harmless": (text) => [harmless(text, true), harmless(text, false)],
  "shown in a terminal": (text) => renderEntry(parseLine(text, 0), true),
  "logged as a message": (text) => encoder.message(text, { text }),
  "logged as output": (text) => encoder.text(text, "stdout"),
  "searched for secrets": (text) => secrets.hide(text),
  "read as a query": (text) => ignoringRefusals(() => parameter(text, "since")),
};

/** What stands once before, what is repeated, what stands once behind. */
const FAMILIES: readonly (readonly [string, string, string])[] = [
  ...["[", "]", "{", "}", '"', "'", "\\", '\\"', " ", "\t", "\n", "\r\n", "=", ",", ", ", ":", "a", "0"].map(alone),
  ...[
    "key=",
    "a=b, ",
    "a=, ",
    "[a:b] ",
    "[x] ",
    "[]",
    "{}",
    "❌ ",
    "❌ x: {",
    "⚠ ",
    "[ERROR] ",
    "é",
    "😀",
    "\ud800",
  ].map(alone),
  ...[
    "\u001b",
    "\u001b[",
    "\u001b[0",
    "\u001b[0;",
    "\u001b]",
    "\u001b]0;",
    "\u001b(",
    "\u009b",
    "\u009b1",
    "\u0000",
    "\u007f",
  ].map(alone),
  ...[
    "2026-01-14 10:22:33 [INFO] ",
    "Traceback\n  File\n",
    "[Claude CLI]",
    "&",
    "%",
    "%73",
    "&%73ince",
    "+",
    "since&",
  ].map(alone),
  ["[x] ", "a=b, ", ""],
  ["[x] a=", ", ", ""],
  ["[", "a", "]"],
  ["[a:", " ", "] x"],
  ["2026-01-14 10:22:33 [INFO] ", "a.", ": x"],
  ["2026-01-14 10:22:33", " ", "[INFO] x"],
  ["❌ ", " ", "x: {}"],
  ["❌ x: {", "{", "}"],
  ['{"a":', "[", ""],
  ['{"a":', "[", `${"]".repeat(90)}}`],
  ["{", '"a":{', ""],
  ['{"message":"', "\\\\", '"}'],
  ['{"message":"', '\\"', '"}'],
  ['{"event":"', "a", '"}'],
  ['{"level":"', "E", '"}'],
  ['{"timestamp":"', "2026-", '"}'],
  ['{"cost_usd":', "9", "}"],
  ['{"cost_usd":0.', "9", "}"],
  ["\u001b[", "0", ""],
  ["\u001b[", "0 ", ""],
  ["\u001b]", "x", ""],
  ["\u001b", " ", ""],
  ...[
    "sk-",
    "sk-a1",
    "eyJ",
    "eyJ.",
    "AIza",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "://",
    "://a:",
    "Basic ",
  ].map(alone),
  ...[
    "password",
    "password=",
    "token=x,",
    '"token":"',
    "'token':'",
    '\\\\"token\\\\":',
    "cookie: a=",
    "api_key: ab",
    "x=='",
  ].map(alone),
  ["password=", "a", ""],
  ['password="', "\\", ""],
  ["://", "a:", "@"],
  ["Bearer ", "abcdefghijklmnop.", ""],
  ["basic ", "aaaaaaaaaaaaaaaa/", "="],
  ["eyJ", "a", "."],
  ["eyJaaaaaaaaaaaaaaaa", ".a", ""],
  ["-----BEGIN ", "PRIVATE KEY", "-----"],
  ["cookie: ", "a", ""],
  ["since=", "%31", ""],
  ["%", "73", "="],
];

it.each(Object.entries(WORK))(
  "any text %s takes linear time",
  (_, work) => {
    const slow = FAMILIES.flatMap((family) => {
      const fault = slowness(work, family);
      return fault === undefined ? [] : [fault];
    });
    expect(slow).toEqual([]);
  },
  120_000,
);

/** How much slower the longer text of a family is; undefined if not much. The least of several rounds counts. */
function slowness(work: (text: string) => unknown, [before, unit, behind]: readonly [string, string, string]) {
  const write = (length: number): string => before + unit.repeat(Math.ceil(length / unit.length)) + behind;
  const small = write(LENGTH);
  const large = write(LENGTH * TIMES);
  const least = { small: Number.POSITIVE_INFINITY, large: Number.POSITIVE_INFINITY };
  for (let round = 0; round < ROUNDS; round += 1) {
    least.small = Math.min(
      least.small,
      workOf(() => work(small)),
    );
    least.large = Math.min(
      least.large,
      workOf(() => work(large)),
    );
    if (least.large <= TIMES * SLACK * Math.max(least.small, LEAST)) return undefined;
  }
  return `${JSON.stringify([before, unit, behind])}: ${least.small} µs, then ${least.large} µs`;
}

function alone(unit: string): readonly [string, string, string] {
  return ["", unit, ""];
}

/** What this process did for `work`, in microseconds. */
function workOf(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

function ignoringRefusals(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if ((error as { code?: unknown }).code !== "INVALID_PARAMETER") throw error;
  }
}
