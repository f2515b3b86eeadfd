/** The head of the panel: what runs, where it stands, since when, by whom, and what it has cost. */
import { type BackendStat, type BackendStats, isTerminal } from "../protocol.js";
import { count, duration, money, ticking } from "./amounts.js";
import { button, element } from "./element.js";
import { GLYPHS } from "./glyphs.js";
import type { RunView } from "./run-watch.js";

/** The head, to be shown anew whenever the view changes or a second has passed. */
export interface Header {
  readonly element: HTMLElement;
  show(view: RunView, paused: boolean): void;
}

/** How long the button that cancels waits to be clicked a second time, in milliseconds. */
const ARMED_MS = 5000;

/** Makes the head of a run. `onCancel` is called once the user has confirmed; null: runs are not cancelled here. */
export function createHeader(runId: string, onCancel: (() => void) | null): Header {
  const status = element("span", "status");
  const operation = element("bdi", "operation", { title: runId });
  const subject = element("bdi", "subject");
  const connection = element("span", "connection");
  const elapsed = element("span", "elapsed");
  const owner = element("span", "owner");
  const missing = element("span", "missing");
  const total = element("summary", "total");
  const table = element("table", "backends");
  const costs = element("details", "costs", { name: "menu" }, total, element("div", "menu", {}, table));
  const code = element("code", "code");
  const reason = element("bdi", "reason");
  const failure = element("p", "failure", {}, code, " ", reason);
  let disarm: ReturnType<typeof setTimeout> | undefined;
  let shownStats: BackendStats | undefined;

  const cancel = button("button cancel", "", () => {
    const confirmed = cancel.ariaPressed === "true";
    arm(!confirmed);
    if (confirmed) onCancel?.();
  });
  const arm = (armed: boolean) => {
    clearTimeout(disarm);
    cancel.ariaPressed = String(armed);
    cancel.textContent = armed ? "Really cancel?" : "Cancel run";
    if (armed) disarm = setTimeout(arm, ARMED_MS, false);
  };
  arm(false);

  return {
    element: element(
      "header",
      "header",
      {},
      element("div", "head", {}, status, element("h2", "name", {}, operation, " ", subject), connection, cancel),
      element("div", "facts", {}, elapsed, costs, owner, missing),
      failure,
    ),
    show(view, paused) {
      const { details, refusal, stats } = view;
      const { status: state, error, error_code } = { ...details, status: view.status, ...view.completion };
      const ended = isTerminal(state ?? "");
      const cancelling = !ended && details?.cancel_requested;
      status.dataset.status = state ?? "";
      status.textContent = `${GLYPHS[state ?? "queued"]} ${cancelling ? "cancelling" : (state ?? "waiting")}`;
      operation.textContent = details?.operation ?? runId;
      subject.textContent = details?.subject_id ?? "";
      cancel.hidden = !onCancel || !state || ended || !!cancelling;

      const reached = paused && view.connection === "live" ? "paused" : view.connection;
      connection.dataset.state = reached;
      connection.textContent = reached;

      const began = Date.parse(details?.started_at ?? details?.created_at ?? "");
      const finished = Date.parse(details?.finished_at ?? "");
      const now = finished || Date.now() + view.skewMs;
      const known = began && (finished || !ended);
      elapsed.textContent = known ? (finished ? duration : ticking)(Math.max(0, now - began)) : "";

      const lives = view.owner?.state ?? "";
      owner.dataset.state = lives;
      owner.textContent = ended || !lives ? "" : `owner ${lives}`;

      missing.textContent = view.missing > 0 ? `${count(view.missing, "line")} missing` : "";
      costs.hidden = !stats?.total.calls;
      if (stats && stats !== shownStats) {
        shownStats = stats;
        total.replaceChildren(...costOf(stats.total));
        const heads = ["Backend", "Calls", "Errors", "Cost"].map((text) => element("th", "", { scope: "col" }, text));
        const rows = Object.entries(stats.backends).map(([name, stat]) => rowOf(name, stat));
        table.replaceChildren(element("tr", "", {}, ...heads), ...rows);
      }

      code.textContent = refusal?.code ?? error_code ?? "";
      reason.textContent = refusal?.message ?? error ?? "";
      failure.hidden = !failure.textContent?.trim();
    },
  };
}

/** A sum in words: what is not priced is never shown as if it were free. */
function costOf({ calls, errors, cost_usd, unpriced_calls: unpriced }: BackendStat): (Node | string)[] {
  const amount = element("b", "amount", {}, calls > unpriced ? money(cost_usd) : "unpriced");
  const parts: (Node | string)[] = [amount, ` ${count(calls, "call")} `];
  if (errors > 0) parts.push(element("span", "errors", {}, count(errors, "error")), " ");
  if (unpriced > 0 && unpriced < calls) parts.push(element("span", "unpriced", {}, `${unpriced} unpriced`));
  return parts;
}

function rowOf(name: string, { calls, errors, cost_usd, unpriced_calls: unpriced }: BackendStat): Node {
  const cost = [calls > unpriced ? money(cost_usd) : [], unpriced > 0 ? `${unpriced} unpriced` : []].flat().join(" + ");
  return element(
    "tr",
    "",
    {},
    element("th", "", { scope: "row" }, element("bdi", "", {}, name)),
    ...[calls, errors, cost].map((value) => element("td", "", {}, String(value))),
  );
}
