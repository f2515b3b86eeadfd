/** Everything that is shown of a list of runs, put together. */
import type { ClientError, ClientOptions } from "../client/request.js";
import { count } from "../panel/amounts.js";
import { button, element } from "../panel/element.js";
import type { Keys } from "../panel/keyboard.js";
import { isTerminal, type RunSummary } from "../protocol.js";
import { isFiltering, isShown } from "./run-filter.js";
import { COLUMNS, createRunRow, type RunRow } from "./run-row.js";
import { type RunsOptions, watchRuns } from "./runs-watch.js";

/** What is listed, and who hears of it. */
export interface RunsListOptions {
  client: RunsOptions & ClientOptions;
  /** Which runs are asked for, as `GET /` takes it. */
  query: string;
  /** Hears that a run is to be opened; false: the list is not to do it. */
  onOpen: (run: RunSummary) => boolean;
}

/** A list of runs. */
export interface RunsList {
  /** What is put into the shadow root. */
  readonly nodes: readonly Node[];
  readonly keys: Keys;
  /** Begins, or goes on where it stopped. */
  start(): void;
  /** Ends requests and timers; what is shown stays. */
  stop(): void;
}

const STATUSES = ["open", "queued", "running", "completed", "failed", "cancelled"];

/** Builds a list; nothing is asked for before `start()`. */
export function createRunsList({ client, query, onOpen }: RunsListOptions): RunsList {
  const rows = new Map<string, RunRow>();
  let tick: ReturnType<typeof setInterval> | undefined;

  const search = element("input", "search", { type: "search", placeholder: "Filter", ariaLabel: "Filter runs" });
  const status = choice("Status", "Every status");
  for (const name of STATUSES) status.append(option(name));
  const operation = choice("Operation", "Every operation");
  const tally = element("span", "tally");
  const said = element("p", "said", { role: "status" });
  const notice = element("span", "");
  const retry = button("button", "Try again", () => watch.ask());
  const toolbar = element("div", "toolbar", { role: "search", ariaLabel: "Runs" }, search, status, operation, tally);
  const away = element("div", "notice", { hidden: true }, notice, retry);
  const body = element("tbody", "", { role: "rowgroup" });
  const heads = Object.entries(COLUMNS).map(([part, text]) =>
    element("th", part, { scope: "col", role: "columnheader" }, text),
  );
  const head = element("thead", "head", { role: "rowgroup" }, element("tr", "", { role: "row" }, ...heads));
  const table = element("table", "table", { role: "table", ariaLabel: "Runs" }, head, body);
  const blank = element("p", "blank", {}, "Loading the runs…");
  const clear = button("button", "Show all", () => {
    search.value = status.value = operation.value = "";
    show();
    search.focus();
  });

  const say = (text: string) => {
    if (said.textContent !== text) said.textContent = text;
  };

  /** Puts the rows into their order without touching those that stand in it: what has the focus keeps it. */
  const place = (wanted: readonly RunRow[]) => {
    let at = body.firstElementChild;
    for (const row of wanted) {
      if (row.element === at) at = at.nextElementSibling;
      else body.insertBefore(row.element, at);
    }
    while (at) {
      const next = at.nextElementSibling;
      at.remove();
      at = next;
    }
  };

  const show = () => {
    const { runs, full, error, answeredAt } = watch.view;
    const filter = { text: search.value, status: status.value, operation: operation.value };
    const shown = runs?.filter((run) => isShown(run, filter)) ?? [];
    place(shown.map(rowOf));
    beat();
    const filtering = isFiltering(filter);
    const open = shown.filter((run) => !isTerminal(run.status)).length;
    const total = runs?.length ?? 0;
    tally.textContent = runs
      ? `${filtering ? `${shown.length} of ` : ""}${count(total, "run")}${open ? ` · ${open} open` : ""}`
      : "";
    toolbar.hidden = total === 0;
    table.hidden = shown.length === 0;
    away.hidden = !error || !runs;
    blank.hidden = shown.length > 0;
    if (error) {
      notice.textContent = `${whyOf(error)} This is the list of ${new Date(answeredAt).toLocaleTimeString()}.`;
      if (!runs) blank.replaceChildren(whyOf(error), " ", retry);
      else away.append(retry);
    }
    if (runs && shown.length === 0) {
      if (filtering) blank.replaceChildren(`None of the ${full ? "newest " : ""}${count(total, "run")} fits. `, clear);
      else blank.textContent = "There are no runs yet. They appear here as soon as one begins.";
    }
    say(error ? whyOf(error) : shown.length === 0 || !runs ? (blank.firstChild?.textContent ?? "") : "");
    if (filtering && shown.length > 0) say(`${shown.length} of ${count(total, "run")} shown`);
  };

  const rowOf = (run: RunSummary): RunRow => {
    let row = rows.get(run.run_id);
    if (!row) {
      row = createRunRow(`${client.endpointBase}/${encodeURIComponent(run.run_id)}/view`, onOpen);
      rows.set(run.run_id, row);
    }
    row.show(run);
    return row;
  };

  const update = () => {
    const { runs = [] } = watch.view;
    const known = new Set(runs.map(({ run_id }) => run_id));
    for (const id of rows.keys()) if (!known.has(id)) rows.delete(id);
    // What is chosen stays to be unchosen, also when no run of it is left.
    const names = new Set([...runs.map((run) => run.operation ?? ""), operation.value].filter(Boolean));
    const options = [...operation.options].slice(1).map(({ value }) => value);
    const sorted = [...names].sort();
    if (sorted.join("\n") !== options.join("\n")) {
      const { value } = operation;
      operation.replaceChildren(operation.options[0] as Node, ...sorted.map(option));
      operation.value = value;
    }
    operation.hidden = sorted.length < 2;
    show();
  };
  const watch = watchRuns(client, query, update);

  /** Writes the times of the rows that are shown. */
  const beat = () => {
    if (document.hidden) return;
    const now = Date.now() + watch.view.skewMs;
    for (const row of rows.values()) if (row.element.isConnected) row.tick(now);
  };

  search.oninput = show;
  status.onchange = show;
  operation.onchange = show;

  /** Moves the focus by so many rows; from elsewhere it goes to the first, or the last. */
  const move = (by: 1 | -1) => {
    const links = [...body.querySelectorAll("a")];
    const at = links.findIndex((link) => link.matches(":focus"));
    links.at(at < 0 ? Math.min(by, 0) : Math.min(Math.max(at + by, 0), links.length - 1))?.focus();
  };

  const down = () => move(1);
  const up = () => move(-1);

  show();
  return {
    nodes: [toolbar, away, element("div", "runs", {}, table, blank), said],
    keys: {
      "/": () => search.select(),
      Escape() {
        if (search.value) {
          search.value = "";
          show();
        } else if (search.matches(":focus")) move(1);
      },
      j: down,
      k: up,
      ArrowDown: down,
      ArrowUp: up,
    },
    start() {
      watch.start();
      clearInterval(tick);
      tick = setInterval(beat, 1000);
    },
    stop() {
      watch.stop();
      clearInterval(tick);
    },
  };
}

/** What the user is told of a failure: what is missing, in the server's words where it has any. */
function whyOf({ status, message, fatal }: ClientError): string {
  if (status === 401) return `You are not signed in: ${message}`;
  if (status === 403) return `You may not see the runs: ${message}`;
  if (fatal) return `The runs cannot be listed: ${message}`;
  return navigator.onLine ? "The server cannot be reached; it is asked again." : "You are offline.";
}

function choice(name: string, every: string): HTMLSelectElement {
  return element("select", "button", { ariaLabel: name }, element("option", "", { value: "" }, every));
}

function option(name: string): HTMLOptionElement {
  return element("option", "", { value: name }, name);
}
