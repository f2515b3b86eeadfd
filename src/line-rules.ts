/**
 * Rules of a user's own for lines, applied where a line is written, once: what an event's fields must be, its readable
 * message, and texts that are events.
 */
import { LivetailError } from "./errors.js";
import { kindOf } from "./json.js";

type Fields = Record<string, unknown>;

/** What is used of a validator that speaks https://standardschema.dev, such as zod 4, valibot or arktype. */
export interface StandardSchema<Input> {
  /** What every such validator has. */
  readonly "~standard": {
    /** Answers at once, with the value or with `issues`. */
    validate(value: unknown): unknown;
    /** For the compiler alone. */
    readonly types?: { readonly input: Input } | undefined;
  };
}

/** What is to be known of an event. */
export interface EventRule<EventFields> {
  /** Checks the fields. It changes nothing, and must answer at once. */
  schema?: StandardSchema<EventFields>;
  /** The readable message of a line that has none. Called with fields that the schema, if there is one, let pass. */
  message?(fields: EventFields): string;
}

/** Event → what is to be known of it. */
export type EventRules<Events> = { [Name in keyof Events]?: EventRule<Events[Name]> };

/**
 * Reads a line of text that is no JSON: its fields (`event`, `level`, `backend`, `cost_usd`, …; the text is its message
 * unless they have one), or undefined for what it does not know. It gets every such line of a run.
 */
export type LineParser = (text: string) => Fields | undefined | null;

/** The rules of a livetail. Nothing here throws. */
export interface LineRules {
  /** What an event of a logger is logged with. */
  event(event: string, fields: Fields | undefined): Fields | undefined;
  /** What is logged in place of a value: its fields with what the rules add, or the value itself. */
  value(value: unknown): unknown;
  /** Adds to a line's own fields what the rule of its event says. */
  amend(fields: Fields): void;
  /** The fields of a text by the first parser that knows it. */
  parse(text: string): Fields | undefined;
}

/** What a line is not is said in so many UTF-16 units. */
const MAX_INVALID = 200;
const MAX_ISSUES = 3;
/** Fields that say when and how a line was logged, and not what of. */
const ENVELOPE = new Set(["timestamp", "time", "ts", "level", "event", "message", "msg", "stream", "metadata"]);

/** Makes the rules; `report` hears once of each rule that was broken, or that throws. */
export function createLineRules(
  events: EventRules<Record<string, Fields>>,
  parsers: readonly LineParser[],
  report: (error: LivetailError) => void,
): LineRules {
  const rules = new Map(Object.entries(events));
  const told = new Set<string>();
  const tell = (what: string, code: "INVALID_EVENT" | "RULE_FAILED", detail: string, cause?: unknown): void => {
    if (told.has(`${code} ${what}`)) return;
    told.add(`${code} ${what}`);
    report(new LivetailError(code, `${what}: ${detail}`, { cause }));
  };

  /** What the rule of an event adds to a line. */
  const judge = (event: string, fields: Fields): { message?: string; invalid?: string } => {
    const { schema, message } = rules.get(event) ?? {};
    try {
      const wrong = schema === undefined ? undefined : wrongOf(schema["~standard"].validate(fields));
      if (wrong !== undefined) {
        tell(`The event ${event}`, "INVALID_EVENT", wrong);
        return { invalid: wrong };
      }
      const said = message?.(fields);
      return typeof said === "string" && said !== "" ? { message: said } : {};
    } catch (error) {
      tell(`The rule of the event ${event}`, "RULE_FAILED", "it threw.", error);
      return {};
    }
  };

  const amend = (line: Fields): void => {
    const { event, message, msg } = line;
    if (typeof event !== "string" || !rules.has(event)) return;
    const { message: built, invalid } = judge(event, ownFields(line));
    if (invalid !== undefined) line.invalid = invalid;
    if (built !== undefined && (message ?? msg ?? "") === "") line.message = built;
  };

  const parse = (text: string): Fields | undefined => {
    for (const [i, parser] of parsers.entries()) {
      try {
        const found = parser(text);
        if (!isFields(found)) continue;
        const line = { ...found };
        amend(line);
        line.message ??= text;
        if (line.message !== text) line.raw ??= text;
        return line;
      } catch (error) {
        tell(`The parser ${i}`, "RULE_FAILED", "it threw.", error);
      }
    }
    return undefined;
  };

  return {
    event(event, fields) {
      if (!rules.has(event) || !(fields === undefined || isFields(fields))) return fields;
      const said = judge(event, fields ?? {});
      try {
        return "invalid" in said ? { ...fields, ...said } : { ...said, ...fields };
      } catch {
        // A getter threw: the line says so itself.
        return fields;
      }
    },
    value(value) {
      if (typeof value === "string") return parse(value) ?? value;
      if (!isFields(value)) return value;
      try {
        if (typeof value.event !== "string" || !rules.has(value.event)) return value;
        const line = { ...value };
        amend(line);
        return line;
      } catch {
        // As above.
        return value;
      }
    },
    amend,
    parse,
  };
}

function isFields(value: unknown): value is Fields {
  try {
    return typeof value === "object" && value !== null && kindOf(value) === "fields";
  } catch {
    // A proxy threw: whoever writes the line finds words for it.
    return false;
  }
}

/** The fields of an event, wherever in its line they stand. */
function ownFields(line: Fields): Fields {
  const own: Fields = isFields(line.metadata) ? { ...line.metadata } : {};
  for (const name of Object.keys(line)) if (!ENVELOPE.has(name)) own[name] = line[name];
  return own;
}

/** What a validator found wrong; undefined for nothing. Throws when it does not answer at once. */
function wrongOf(result: unknown): string | undefined {
  if (result instanceof Promise) {
    result.catch(() => {});
    throw new TypeError("The schema is asynchronous; a line cannot wait for it.");
  }
  const { issues } = result as { issues?: readonly { message: string; path?: readonly unknown[] }[] };
  if (issues === undefined) return undefined;
  const words = issues.slice(0, MAX_ISSUES).map(({ message, path = [] }) => {
    const place = path.map((step) => (typeof step === "object" && step !== null && "key" in step ? step.key : step));
    return `${place.map(String).join(".")}: ${message}`;
  });
  return words.join("; ").slice(0, MAX_INVALID) || "invalid";
}
