/** The text of a line, as it is searched and copied. Pure. */
import type { LogEntry } from "../protocol.js";
import { plainText } from "./ansi.js";

/** What a row shows before a message (the module or component that wrote it), and after it (an error that it leaves out). */
export function asideOf({ module, component, context, error = "", message }: LogEntry): [tag: string, error: string] {
  return [module ?? [component, context].filter(Boolean).join(":"), message.includes(error) ? "" : plainText(error)];
}

/** All that a row shows of the text of a line, its traceback among it. */
export function textOf(entry: LogEntry): string {
  const [tag, error] = asideOf(entry);
  const said = [tag, plainText(entry.message), error].filter(Boolean).join(" ");
  return entry.traceback ? `${said}\n${plainText(entry.traceback).trimEnd()}` : said;
}

/** Fields that a row shows otherwise. */
const SHOWN = /^(index|timestamp|level|source|message|traceback|metadata|truncated)$/;

/** Fields that many lines have and that alone are not worth a fold on each of them. */
const COMMON = /^(layer|stream)$/;

/** The fields of a line that are folded away, its metadata among them. */
export function fieldsOf(entry: LogEntry): [name: string, value: unknown][] {
  const fields = [...Object.entries(entry).filter(([name]) => !SHOWN.test(name)), ...Object.entries(entry.metadata)];
  return fields.every(([name]) => COMMON.test(name)) ? [] : fields;
}

/** All of a line that is searched: its text, and the values of its fields. */
export function searchedTextOf(entry: LogEntry): string {
  return `${textOf(entry)}\n${JSON.stringify(fieldsOf(entry).map(([, value]) => value))}`;
}
