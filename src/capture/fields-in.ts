/** Reading what another library tells, whose shape nobody promised. */

/** The fields of an object; none of what is no object. */
export function fieldsIn(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** A field that is text and not empty. */
export function textIn(value: unknown, name: string): string | undefined {
  const text = fieldsIn(value)[name];
  return typeof text === "string" && text !== "" ? text : undefined;
}
