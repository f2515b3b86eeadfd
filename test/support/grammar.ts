/** What a fuzzing grammar stands on: fields that are written as they should be, or in a hostile form, and counted. */
import type { SeededRandom } from "./seeded-random.js";

/**
 * Writes sentences whose fields are mostly as they should be. What is wrong everywhere is refused at the first check;
 * what is wrong in one place gets far.
 */
export class Grammar {
  readonly random: SeededRandom;
  /** How often each field was written in a hostile form. */
  readonly mutations: Map<string, number>;
  readonly #fields: readonly string[];
  readonly #rare: ReadonlySet<string>;
  #chosen: string[] = [];

  /** `rare` fields are hostile three times less often. */
  constructor(fields: readonly string[], random: SeededRandom, rare: Iterable<string> = []) {
    this.#fields = fields;
    this.#rare = new Set(rare);
    this.random = random;
    this.mutations = new Map(fields.map((field) => [field, 0]));
  }

  /** Begins a sentence: up to four of its fields will be hostile. */
  begin(): void {
    const count = this.random.pick([0, 1, 1, 1, 2, 2, 3, 4]);
    const pick = (): string => this.random.pick(this.#fields);
    this.#chosen = Array.from({ length: count }, pick).map((field) =>
      this.#rare.has(field) && !this.oneIn(3) ? pick() : field,
    );
  }

  /** A field as it should be, or hostile if it is its turn. */
  form<T>(field: string, valid: () => T, hostile: () => T): T {
    const count = this.mutations.get(field);
    if (count === undefined) throw new Error(`The grammar has no field ${field}.`);
    if (!this.#chosen.includes(field)) return valid();
    this.mutations.set(field, count + 1);
    return hostile();
  }

  /** True in one of `times` cases. */
  oneIn(times: number): boolean {
    return this.random.between(1, times) === 1;
  }

  /** Text out of pieces that break parsers, `count` of them at most. */
  hostileText(count = 6): string {
    return Array.from({ length: this.random.between(0, count) }, () => this.random.pick(HOSTILE_PIECES)).join("");
  }
}

/** Pieces of text that somebody's parser stumbles over. All are well-formed. */
export const HOSTILE_PIECES: readonly string[] = [
  ...["", " ", "\t", "\n", "\r\n", "\u0000", "\u001b[31m", "\u001b]0;x\u0007", "\u009b2J", "\u007f", "\u0085"],
  ...["\u2028", "\u2029", "\ufeff", "\u202e", "\u2066", "\u200b", "\ufffd", "\uffff", "é", "日本", "😀", "❌", "⚠"],
  ...[
    "'",
    '"',
    "`",
    "\\",
    "/",
    "//",
    "..",
    "%",
    "%00",
    "%2f",
    "%zz",
    "%c0%ae",
    "+",
    "&",
    "=",
    "?",
    "#",
    ";",
    ",",
    ", ",
  ],
  ...["{", "}", "[", "]", "(", ")", "<", ">", "<script>", "#{1}", "{{1}}", '{"a":1}', "[ERROR]", "key=value"],
  ...[
    "__proto__",
    "constructor",
    "toString",
    "null",
    "NaN",
    "-1",
    "1e999",
    "0x10",
    "a",
    "op_x",
    "owner:",
    "x".repeat(300),
  ],
];

/** Texts that are no whole number of 0 or more, however much they look like one. */
export const NO_INTEGERS: readonly string[] = [
  ...[
    "",
    "-1",
    "-0",
    "+1",
    "1.5",
    "1.0",
    ".5",
    "1e3",
    "1E3",
    "0x10",
    "0b1",
    "0o7",
    "00",
    "007",
    "1_000",
    "1,000",
    "1n",
  ],
  ...["١٢", "１２", "๑", "½", "Ⅷ", "NaN", "Infinity", "-Infinity", "null", "undefined", "true", "[object Object]"],
  ...[" 1", "1 ", "1\n", "\t1", "1\u0000", "\ufeff1", "--1", "1;2", "1'", "#{1}", "1=1", "1%", "9".repeat(16)],
  ...["9007199254740993", "9".repeat(400), "-9007199254740993", "1e400", "日本", "😀"],
];
