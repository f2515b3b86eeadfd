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

/** Makes the head of a run. `onCancel` is called once the user has confirmed; undefined: runs are not cancelled here. */
export function createHeader(runId: string, onCancel: (() => unknown) | undefined): Header {
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
    cancel.ariaPressed = `${armed}`;
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
    show({ details, refusal, stats, completion, connection: reached, owner: held, ...view }, paused) {
      const state = completion?.status ?? view.status;
      const ended = isTerminal(state ?? "");
      const cancelling = !ended && details?.cancel_requested;
      show(status, `${GLYPHS[state ?? "queued"]} ${cancelling ? "cancelling" : (state ?? "waiting")}`, state);
      show(operation, details?.operation ?? runId);
      show(subject, details?.subject_id);
      cancel.hidden = !onCancel || !state || ended || !!cancelling;
      const link = paused && reached === "live" ? "paused" : reached;
      show(connection, link, link);

      const began = Date.parse(details?.started_at ?? details?.created_at ?? "");
      const finished = Date.parse(details?.finished_at ?? "");
      const passed = (finished || Date.now() + view.skewMs) - began;
      show(elapsed, passed && (finished ? duration : ticking)(Math.max(0, passed)));
      show(owner, !ended && held && `owner ${held.state}`, held?.state);
      show(missing, view.missing > 0 && `${count(view.missing, "line")} missing`);

      costs.hidden = !stats?.total.calls;
      if (stats && stats !== shownStats) {
        shownStats = stats;
        const { calls, errors, unpriced_calls } = stats.total;
        total.replaceChildren(
          element("b", "amount", {}, priceOf(stats.total) || "unpriced"),
          ` ${count(calls, "call")} `,
          element("span", "errors", { hidden: !errors }, `${count(errors, "error")} `),
          element(
            "span",
            "unpriced",
            { hidden: !unpriced_calls || unpriced_calls === calls },
            `${unpriced_calls} unpriced`,
          ),
        );
        table.replaceChildren(
          rowOf("col", "Backend", "Calls", "Errors", "Cost"),
          ...Object.entries(stats.backends).map(([name, stat]) => {
            const unpriced = stat.unpriced_calls && `${stat.unpriced_calls} unpriced`;
            return rowOf("row", name, stat.calls, stat.errors, [priceOf(stat), unpriced].filter(Boolean).join(" + "));
          }),
        );
      }

      show(code, refusal?.code ?? completion?.error_code);
      show(reason, refusal?.message ?? completion?.error);
      failure.hidden = !failure.textContent?.trim();
    },
  };
}

function show(node: HTMLElement, text: string | number | false | null | undefined, status = ""): void {
  node.textContent = text ? `${text}` : "";
  node.dataset.status = status;
}

/** What calls have cost, as far as they are priced; "" when none is: that is never shown as if it were free. */
function priceOf({ calls, cost_usd, unpriced_calls }: BackendStat): string {
  return calls > unpriced_calls ? money(cost_usd) : "";
}

function rowOf(scope: string, name: string, ...values: (string | number)[]): HTMLElement {
  const head = element("th", "", { scope }, element("bdi", "", {}, name));
  return element("tr", "", {}, head, ...values.map((value) => element("td", "", {}, `${value}`)));
}
