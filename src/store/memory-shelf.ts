import { isTerminal, type RunSummary } from "../protocol.js";
import type { ListRequest } from "../store.js";
import type { MemoryRun } from "./memory-run.js";
import { hasStatus, runSummary } from "./run-summary.js";

/** How long a summary outlives the last thing that was done to its run. */
const SUMMARY_TTL_MS = 86_400_000;

/** Where runs stand in memory: found by id, dropped when they have expired or are too many, and listed. */
export class MemoryShelf {
  /** Ids of open runs, the longest idle first, and of ended ones, the first to end first. */
  readonly #open = new Set<string>();
  readonly #ended = new Set<string>();
  /** What is left of a run that has expired; in the order of creation. */
  readonly #summaries = new Map<string, { summary: RunSummary; expiresAt: number }>();
  #bytes = 0;

  constructor(
    readonly runs: Map<string, MemoryRun>,
    readonly maxRuns: number,
    readonly maxTotalBytes: number,
  ) {}

  /** The run, unless it has expired at `now`. */
  find(runId: string, now: number): MemoryRun | undefined {
    const run = this.runs.get(runId);
    if (run === undefined || run.expiresAt > now) return run;
    this.#drop(runId);
    return undefined;
  }

  /** Puts a run that was just written in its place and drops what has expired or is too much; the run itself stays. */
  put(run: MemoryRun, now: number): void {
    this.runs.set(run.runId, run);
    this.#open.delete(run.runId);
    (isTerminal(run.status) ? this.#ended : this.#open).add(run.runId);
    const weight = run.weigh();
    this.#bytes += weight - run.weighed;
    run.weighed = weight;
    for (const ids of [this.#ended, this.#open]) {
      for (const id of ids) {
        if ((this.runs.get(id)?.expiresAt ?? 0) > now) break;
        this.#drop(id);
      }
    }
    for (const ids of [this.#ended, this.#open]) {
      for (const id of ids) {
        if (this.runs.size <= this.maxRuns && this.#bytes <= this.maxTotalBytes) return;
        if (id !== run.runId) this.#drop(id);
      }
    }
  }

  /** Removes a run and all that is left of it. */
  remove(runId: string): void {
    this.#drop(runId);
    this.#summaries.delete(runId);
  }

  /** The open runs that have not expired at `now`. */
  open(now: number): MemoryRun[] {
    const found: MemoryRun[] = [];
    for (const id of [...this.#open]) {
      const run = this.find(id, now);
      if (run !== undefined) found.push(run);
      else this.#open.delete(id);
    }
    return found;
  }

  /** Keeps the summary of a run as it is now. */
  summarise(run: MemoryRun, now: number): void {
    const summary = runSummary(run.record(), run.totals);
    this.#summaries.set(run.runId, { summary, expiresAt: now + SUMMARY_TTL_MS });
    for (const id of this.#summaries.keys()) {
      if (this.#summaries.size <= this.maxRuns) break;
      this.#summaries.delete(id);
    }
  }

  /** The summary that was kept last; null when there is none or it has expired at `now`. */
  summary(runId: string, now: number): RunSummary | null {
    const kept = this.#summaries.get(runId);
    return kept !== undefined && kept.expiresAt > now ? kept.summary : null;
  }

  /** Runs that fit, newest first. */
  list({ status, operation, subjectId, parentId, limit }: ListRequest, now: number): RunSummary[] {
    const found: RunSummary[] = [];
    for (const [id, { summary }] of [...this.#summaries].reverse()) {
      if (found.length >= limit) break;
      if (operation !== undefined && summary.operation !== operation) continue;
      if (subjectId !== undefined && summary.subject_id !== subjectId) continue;
      if (parentId !== undefined && summary.parent_id !== parentId) continue;
      const run = this.find(id, now);
      const current = run === undefined ? this.summary(id, now) : runSummary(run.record(), run.totals);
      if (current === null) this.#summaries.delete(id);
      else if (hasStatus(current, status)) found.push(current);
    }
    return found;
  }

  /** Forgets everything. */
  clear(): void {
    this.runs.clear();
    this.#open.clear();
    this.#ended.clear();
    this.#summaries.clear();
    this.#bytes = 0;
  }

  #drop(runId: string): void {
    this.#bytes -= this.runs.get(runId)?.weighed ?? 0;
    this.runs.delete(runId);
    this.#open.delete(runId);
    this.#ended.delete(runId);
  }
}
