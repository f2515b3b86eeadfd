/** Links to lines: `#L123` and `#L10-L20`. Pure. */
import type { LineRange } from "./line-list.js";

/** The lines that a fragment names; undefined when it names none. */
export function parseLineLink(hash: string): LineRange | undefined {
  const match = /^#L(\d{1,15})(?:-L?(\d{1,15}))?$/.exec(hash);
  if (!match) return;
  const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])];
  return { from: Math.min(from, to), to: Math.max(from, to) };
}

/** The fragment that names lines. */
export function formatLineLink({ from, to }: LineRange): string {
  return `#L${from}${to > from ? `-L${to}` : ""}`;
}
