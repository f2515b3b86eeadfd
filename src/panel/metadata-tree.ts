/** Values of a line as a tree that opens branch by branch. */
import { element } from "./element.js";

/** A fold: its summary, and what it shows, made when it is opened for the first time. */
export function fold(part: string, summary: readonly (Node | string)[], content: () => Iterable<Node>): HTMLElement {
  const made = element("details", part, {}, element("summary", "", {}, ...summary));
  made.addEventListener("toggle", () => made.append(...content()), { once: true });
  return made;
}

/** Writes a text into a node, which it returns. */
export type Write = (node: HTMLElement, text: string) => HTMLElement;

/** One row per name; what holds other values is a fold. */
export function* metadataTree(
  fields: Iterable<readonly [name: string, value: unknown]>,
  write: Write,
): Generator<HTMLElement> {
  for (const [name, value] of fields) {
    const key = element("bdi", "key", {}, name);
    const inner = typeof value === "object" ? Object.entries(value ?? {}) : [];
    if (inner.length > 0) {
      yield fold("branch", [key, ` (${inner.length})`], () => metadataTree(inner, write));
    } else {
      const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
      yield element("div", "leaf", {}, key, " ", write(element("bdi", typeof value), text));
    }
  }
}
