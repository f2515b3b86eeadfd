/** One operation over many items: a run of its own for each, and one parent that shows the progress of all. */
import { currentRun, withRun } from "./context.js";
import { defaultLivetail } from "./default-livetail.js";
import type { Livetail } from "./livetail.js";
import { Run } from "./run.js";
import { WorkLimit } from "./work-limit.js";

/** How the items are worked on. */
export interface BulkOptions<Item> {
  /** The run that the items' runs belong to. Default: the current run; without one they have no parent. */
  parent?: Run;
  /** Default: the default one. */
  livetail?: Livetail;
  /** How many items are worked on at once. Default 4. */
  concurrency?: number;
  /** Whom an item's run is about. Default: the item as text, or its `id`. */
  subject?: (item: Item) => string;
}

/** How many items' runs ended how. */
export interface BulkOutcome {
  /** Items whose run completed. */
  completed: number;
  /** Items whose run failed. */
  failed: number;
  /** Items that were cancelled, or never begun because of a cancel. */
  cancelled: number;
}

/**
 * Calls `work` for each item in a run of its own and resolves when all are done; what one throws fails its run alone. The
 * parent gets a layer of the operation's name with `current` and `total`, its status answer counts its children. When the
 * parent is cancelled, the runs under way are, too, and no other begins. Never rejects.
 */
export async function runBulk<Item>(
  operation: string,
  items: readonly Item[],
  work: (item: Item, run: Run) => unknown,
  options: BulkOptions<Item> = {},
): Promise<BulkOutcome> {
  const { livetail = defaultLivetail(), concurrency = 4, subject = subjectOf } = options;
  const current = currentRun();
  const parent = options.parent ?? (current instanceof Run ? current : undefined);
  const outcome: BulkOutcome = { completed: 0, failed: 0, cancelled: 0 };
  const done = (): number => outcome.completed + outcome.failed + outcome.cancelled;
  const tell = (): void => {
    const message = outcome.failed === 0 ? undefined : `${outcome.failed} failed`;
    const over = done() === items.length;
    const status = over ? (outcome.failed === 0 ? "success" : "failed") : "running";
    parent?.layer(operation, status, message, { current: done(), total: items.length });
  };
  const one = async (item: Item): Promise<void> => {
    if (parent?.signal.aborted) {
      outcome.cancelled++;
      return;
    }
    const run = livetail.createOperationRun(subject(item), operation, parent && { parentId: parent.id });
    const cancel = (): void => {
      livetail.cancelRun(run.id).catch(() => run.onCancelRequested());
    };
    parent?.signal.addEventListener("abort", cancel);
    try {
      run.start();
      void run.complete(await withRun(run, () => work(item, run)));
      outcome.completed++;
    } catch (error) {
      void run.fail(error);
      outcome[run.status === "cancelled" ? "cancelled" : "failed"]++;
    } finally {
      parent?.signal.removeEventListener("abort", cancel);
      tell();
    }
  };
  tell();
  const limit = new WorkLimit({ maxConcurrent: concurrency, maxQueued: Number.POSITIVE_INFINITY });
  for (const item of items) limit.add(() => one(item));
  await limit.drained();
  return outcome;
}

function subjectOf(item: unknown): string {
  const id = typeof item === "object" && item !== null ? (item as { id?: unknown }).id : item;
  return typeof id === "string" || typeof id === "number" ? String(id) : "item";
}
