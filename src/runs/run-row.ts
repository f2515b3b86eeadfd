/** A run as a row of the list. */

import { duration, money, ticking } from "../panel/amounts.js";
import { element } from "../panel/element.js";
import { GLYPHS } from "../panel/glyphs.js";
import { isTerminal, type RunSummary } from "../protocol.js";
import { ago } from "./ago.js";

/** The heads of the columns, by the part that the cells below them are. */
export const COLUMNS = {
  status: "Status",
  operation: "Operation",
  subject: "Subject",
  started: "Started",
  duration: "Duration",
  cost: "Cost",
} as const;

/** A row, to be shown anew when its run has changed; `tick` is for the time that passes. */
export interface RunRow {
  readonly element: HTMLElement;
  readonly link: HTMLAnchorElement;
  show(run: RunSummary): void;
  /** Writes its times as they are at `now` by the server's clock. */
  tick(now: number): void;
}

/** Sets the text of a node, unless it is that already: what has not changed costs no layout. */
function write(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Makes the row of a run, whose link leads to `href`. `onOpen` hears of a plain click on it and says whether the link
 * is to be followed.
 */
export function createRunRow(href: string, onOpen: (run: RunSummary) => boolean): RunRow {
  let run: RunSummary;
  const cells = {} as Record<keyof typeof COLUMNS, HTMLElement>;
  let part: keyof typeof COLUMNS;
  for (part in COLUMNS) cells[part] = element("td", part, { role: "cell" });
  const status = element("span", "state");
  const operation = element("bdi", "");
  const link = element("a", "open", { href }, operation);
  const failure = element("bdi", "failure");
  const subject = element("bdi", "");
  const started = element("time", "");
  const amount = element("span", "");
  const unpriced = element("span", "unpriced");
  cells.status.append(status);
  cells.operation.append(link, failure);
  cells.subject.append(subject);
  cells.started.append(started);
  cells.cost.append(amount, unpriced);
  link.onclick = (event) => {
    // With a key held, or another button, the browser opens it elsewhere.
    const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
    if (plain && !onOpen(run)) event.preventDefault();
  };

  return {
    element: element("tr", "run", { role: "row" }, ...Object.values(cells)),
    link,
    show(next) {
      run = next;
      const name = run.operation ?? run.run_id;
      status.dataset.status = run.status;
      write(status, `${GLYPHS[run.status] ?? ""} ${run.status}`);
      write(operation, name);
      write(subject, run.subject_id ?? "");
      link.title = [run.run_id, run.error ?? []].flat().join("\n");
      link.ariaLabel = [name, run.subject_id ?? [], run.status].flat().join(", ");
      write(failure, [run.error_code ?? [], run.error ?? []].flat().join(" "));
      const { calls, cost_usd: cost, unpriced_calls: open } = { ...run.cost };
      write(amount, calls > open ? money(cost) : "");
      write(unpriced, open > 0 ? `${calls > open ? " + " : ""}${open} unpriced` : "");
      started.dateTime = run.started_at ?? run.created_at ?? "";
      started.title = started.dateTime && new Date(started.dateTime).toLocaleString();
    },
    tick(now) {
      const since = Date.parse(started.dateTime);
      const until = Date.parse(run.finished_at ?? "");
      write(started, since ? ago(now - since) : "");
      const took = until ? duration(Math.max(0, until - since)) : isTerminal(run.status) ? "" : ticking(now - since);
      write(cells.duration, run.started_at ? took : "");
    },
  };
}
