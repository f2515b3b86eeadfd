/** A traceback, folded: how many lines it has. */

import { count } from "./amounts.js";
import { plainText } from "./ansi.js";
import { element } from "./element.js";

/** Makes the fold; its text, which is empty yet, has the class `trace`. */
export function tracebackFold(text: string): HTMLElement {
  const lines = plainText(text).trimEnd().split("\n").length;
  const summary = element("summary", "", {}, `traceback, ${count(lines, "line")}`);
  return element("details", "traceback", {}, summary, element("div", "trace", { dir: "auto" }));
}
