/** What a run may cost, and what its owner knows that it has cost. */
import { sumTotals } from "./backend-stats.js";
import { NANO, type Totals, toNano } from "./cost.js";
import { LivetailError } from "./errors.js";
import { isCost } from "./fields.js";
import type { LogStore } from "./store.js";

/** Other producers' totals are read at most so often. */
const READ_EVERY_MS = 1000;

/** Throws `INVALID_OPTION` for a budget that is no amount from 0 to a million dollars. */
export function checkBudget(budgetUsd: unknown): void {
  if (budgetUsd === undefined || isCost(budgetUsd)) return;
  throw new LivetailError("INVALID_OPTION", "The option budgetUsd must be a number of dollars from 0 to 1,000,000.");
}

/** Where a budget finds what was spent. */
export interface BudgetScene {
  runId: string;
  /** What the owner itself counts. */
  own: Totals;
  store: LogStore;
  now(): number;
  /** Called once, when the budget is spent. */
  onExceeded(error: LivetailError, spentUsd: number): void;
}

/** The budget of one run. */
export class Budget {
  readonly usd: number;
  readonly #scene: BudgetScene;
  /** What other producers have spent at least, in nano-dollars. */
  #others = 0;
  #seen = 0;
  #readAt = Number.NEGATIVE_INFINITY;
  #reading = false;
  #exceeded: LivetailError | null = null;

  constructor(budgetUsd: number, scene: BudgetScene) {
    this.usd = budgetUsd;
    this.#scene = scene;
    scene.own.onCounted = () => this.#check();
  }

  /** Why the run has to end; null while there is something left. */
  get exceeded(): LivetailError | null {
    return this.#exceeded;
  }

  /** The store has the run at `version`: what changed it may be the cost of another producer. */
  look(version: number): void {
    const now = this.#scene.now();
    if (version === this.#seen || this.#reading || this.#exceeded !== null || now - this.#readAt < READ_EVERY_MS)
      return;
    this.#readAt = now;
    void this.#read();
  }

  async #read(): Promise<void> {
    const { runId, store, own } = this.#scene;
    this.#reading = true;
    try {
      const answer = await store.read({ runId, from: { kind: "none" }, limit: 0, known: null });
      if (answer === null) return;
      this.#seen = answer.run.version;
      // The owner's own may be on their way: what is left of the sum without them is the least that others spent.
      const stored = toNano(sumTotals(answer.state?.totals ?? []).total.cost_usd);
      this.#others = Math.max(this.#others, stored - own.nano);
      this.#check();
    } catch {
      // An outage is told by the writer, and whatever it stores next leads here again.
    } finally {
      this.#reading = false;
    }
  }

  #check(): void {
    const spent = this.#scene.own.nano + this.#others;
    if (this.#exceeded !== null || spent === 0 || spent < toNano(this.usd)) return;
    const spentUsd = spent / NANO;
    const text = `The run has cost ${dollars(spentUsd)} of its budget of ${dollars(this.usd)}.`;
    this.#exceeded = new LivetailError("BUDGET_EXCEEDED", text);
    this.#scene.onExceeded(this.#exceeded, spentUsd);
  }
}

/** As short as it can be and at least in cents, down to a nano-dollar. */
function dollars(usd: number): string {
  return `$${usd.toFixed(9).replace(/0{1,7}$/, "")}`;
}
