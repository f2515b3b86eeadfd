/** A traceback, folded: how many lines it has and what it ends, or begins, with. */
import { plainText } from "./ansi.js";
import { element } from "./element.js";

/** Makes the fold; its text has the class `trace`. */
export function tracebackFold(text: string): HTMLElement {
  const lines = plainText(text).trimEnd().split("\n");
  const summary = `traceback, ${lines.length} ${lines.length === 1 ? "line" : "lines"}`;
  return element(
    "details",
    "traceback",
    {},
    element("summary", "", {}, summary),
    element("div", "trace", { dir: "auto" }),
  );
}
