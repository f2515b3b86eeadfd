/** The embedded store in the hands of the contract suite. */
import { memoryStore } from "../../src/store/memory.js";
import { MemoryRun } from "../../src/store/memory-run.js";
import { type LogStore, STORE_LIMITS, type StoreLimits } from "../../src/store.js";
import { type StoreHarness, SWEEP_PERIOD_MS } from "../contract/log-store.js";

/** What the harness needs of the store's modules; the mutation test hands in others. */
export interface MemoryStoreModules {
  memoryStore: typeof memoryStore;
  MemoryRun: typeof MemoryRun;
}

/** Opens an embedded store with nothing in it. */
export async function openMemoryHarness(
  overrides: Partial<StoreLimits> = {},
  modules: MemoryStoreModules = { memoryStore, MemoryRun },
): Promise<StoreHarness> {
  const limits = { ...STORE_LIMITS, ...overrides };
  const runs = new Map<string, MemoryRun>();
  let aheadMs = 0;
  let server = 0;
  const now = () => Date.now() + aheadMs;
  const open = (limits: Partial<StoreLimits>) =>
    modules.memoryStore({ ...limits, runs, now, server: () => `server-${server}` });
  const store = open(overrides);
  const others: LogStore[] = [];
  const get = (runId: string): MemoryRun => {
    const run = runs.get(runId);
    if (run === undefined) throw new Error(`there is no run ${runId}`);
    return run;
  };
  return {
    store,
    limits,
    another(limits) {
      const other = open(limits);
      others.push(other);
      return other;
    },
    async expireLease(runId) {
      get(runId).leaseUntil = now() - 1;
    },
    async ageQueued(runId) {
      get(runId).queuedAt -= limits.queuedTtlSeconds * 1000;
    },
    async changeServer() {
      server += 1;
    },
    async lose(runId) {
      runs.delete(runId);
    },
    async loseBufferOnly(runId) {
      const { lines } = get(runId);
      while (lines.length > 0) lines.shift();
    },
    async rollBack(runId, count) {
      const run = get(runId);
      const older = run.lines.slice(0, run.lines.length - count);
      while (run.lines.length > 0) run.bytes -= Buffer.byteLength(run.lines.shift());
      for (const text of older) {
        run.lines.push(text);
        run.bytes += Buffer.byteLength(text);
      }
      run.next -= count;
      run.len = older.length;
      for (const producer of run.producers.values()) producer.have = Math.max(0, producer.have - count);
    },
    async foreignPush(runId, texts) {
      for (const text of texts) get(runId).lines.push(text);
    },
    async foreignRun(runId, { lines, meta, layers = "", totals = {} }) {
      const run = new modules.MemoryRun(runId);
      run.foreign = { ...meta };
      run.layers = layers;
      for (const text of lines) run.lines.push(text);
      for (const [producer, text] of Object.entries(totals)) run.producer(producer).totals = text;
      runs.set(runId, run);
    },
    async ttlSeconds(runId, key) {
      const run = runs.get(runId);
      if (run === undefined) return null;
      const exists = {
        meta: true,
        buffer: run.lines.length > 0,
        layers: run.layers !== "",
        producers: run.producers.size > 0,
        result: run.result !== null,
      };
      return exists[key] ? (run.expiresAt - now()) / 1000 : null;
    },
    async nextSweep() {
      aheadMs += SWEEP_PERIOD_MS;
    },
    async close() {
      for (const other of [store, ...others]) await other.close();
    },
  };
}
