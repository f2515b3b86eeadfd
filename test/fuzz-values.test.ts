/**
 * Fuzzed values: whatever somebody logs, or ends a run with, is stored as lines that can be read, and nothing is
 * thrown at them. `LIVETAIL_FUZZ_SEED` sets what is logged.
 */
import { expect, it } from "vitest";
import type { LivetailError } from "../src/errors.js";
import { parseLine } from "../src/line.js";
import { createLivetail } from "../src/livetail.js";
import type { Run } from "../src/run.js";
import { memoryStore } from "../src/store/memory.js";
import { entryFault } from "./support/entry-verdict.js";
import { FUZZ_SEED } from "./support/fuzz-seed.js";
import { Grammar } from "./support/grammar.js";
import { hostileValue, VALUE_KINDS } from "./support/hostile-values.js";
import { length } from "./support/length.js";
import { request } from "./support/plain-request.js";
import { seededRandom } from "./support/seeded-random.js";

const CALLS = length(12_000, 4000);
const BATCH = 500;
const ENDS = length(300, 100);
const MAX_LINE_BYTES = 16_384;
const FAULTS_SHOWN = 5;
const DEADLINE_MS = 400_000;

/** A call with values of any type, whatever its types say; how many lines it stores. */
type Call = (run: Run, one: never, two: never, three: never) => number;

const line = (call: (run: Run, one: never, two: never, three: never) => void): Call => {
  return (run, one, two, three) => {
    call(run, one, two, three);
    return 1;
  };
};

const CALLS_OF_ALL_KINDS: Readonly<Record<string, Call>> = {
  log: line((run, one) => run.log(one)),
  "log with metadata": line((run, one, two) => run.log(one, two)),
  logOutput: line((run, one) => run.logOutput(one, "stdout")),
  info: line((run, one, two) => run.logger.info(one, two)),
  error: line((run, one) => run.logger.error("went_wrong", { error: one })),
  child: line((run, one, two) => run.logger.child(one).warn("bound", two)),
  llmCallComplete: line((run, one) => run.logger.llmCallComplete(one)),
  llmCallError: line((run, one, two) => run.logger.llmCallError(one, two)),
  layerError: line((run, one, two, three) => run.logger.layerError(one, two, three)),
  pipelineError: line((run, one, two) => run.logger.pipelineError(one, two)),
  validationResult: line((run, one, two, three) => run.logger.validationResult(one, two, three)),
  layer(run, one, two, three) {
    run.layer(one, two, three, two);
    return 0;
  },
};

it(
  `stores ${CALLS} fuzzed values as lines within the cap, and throws at nobody`,
  async () => {
    const g = new Grammar(VALUE_KINDS, seededRandom(FUZZ_SEED));
    const errors: LivetailError[] = [];
    const store = memoryStore({ maxLines: BATCH, maxBufferBytes: BATCH * MAX_LINE_BYTES });
    const livetail = createLivetail({ store, maxLines: BATCH, onError: (error) => errors.push(error) });
    const run = livetail.createOperationRun("job-1", "import");
    const faults: string[] = [];
    let logged = 0;
    let largest = 0;
    for (let at = 0; at < CALLS; at += BATCH) {
      const from = logged;
      for (let of = 0; of < BATCH; of += 1) {
        const [name, call] = g.random.pick(Object.entries(CALLS_OF_ALL_KINDS));
        const began = new Map(g.mutations);
        try {
          logged += call(run, hostileValue(g) as never, hostileValue(g) as never, hostileValue(g) as never);
        } catch (error) {
          const kinds = [...g.mutations].filter(([kind, count]) => count !== began.get(kind)).map(([kind]) => kind);
          faults.push(`${name} of ${kinds.join(", ")} threw ${String(error)}`);
        }
      }
      await run.flush();
      const answer = await store.read({
        runId: run.id,
        from: { kind: "tail", count: logged - from },
        limit: 1000,
        known: null,
      });
      if (answer?.run.next !== logged) faults.push(`${answer?.run.next} lines instead of ${logged}`);
      for (const [of, text] of (answer?.lines ?? []).entries()) {
        largest = Math.max(largest, Buffer.byteLength(text));
        const fault = lineFault(text, from + of);
        if (fault !== undefined) faults.push(`${fault}: ${text.slice(0, 500)}`);
      }
      if (faults.length >= FAULTS_SHOWN) break;
    }
    const status = await livetail.handler.handle(request(`/${run.id}/status`));
    const least = Math.min(...g.mutations.values());
    console.log(
      `fuzzed values: seed ${FUZZ_SEED}; ${logged} lines, ${largest} bytes the largest; ${g.mutations.size} kinds, each ${least} times or more`,
    );
    expect(faults.slice(0, FAULTS_SHOWN)).toEqual([]);
    expect(errors).toEqual([]);
    expect(JSON.parse(status.body as string)).toMatchObject({ status: "running", total_count: logged });
    expect(least).toBeGreaterThanOrEqual(100);
    expect(largest).toBeGreaterThan(MAX_LINE_BYTES / 2);
    await livetail.close();
    await store.close();
  },
  DEADLINE_MS,
);

function lineFault(text: string, index: number): string | undefined {
  if (Buffer.byteLength(text) > MAX_LINE_BYTES) return `a line of ${Buffer.byteLength(text)} bytes`;
  if (/[\n\r]/.test(text) || !text.isWellFormed()) return "not on one line";
  if (JSON.parse(text) === null || text[0] !== "{") return "no object";
  const entry = parseLine(text, index);
  return entryFault(text, index, entry, JSON.stringify(entry));
}

it(
  `ends ${ENDS} runs with fuzzed results and errors, and rejects at nobody`,
  async () => {
    const g = new Grammar(VALUE_KINDS, seededRandom(FUZZ_SEED + 1));
    const store = memoryStore();
    const livetail = createLivetail({ store, onError: () => {} });
    const faults: string[] = [];
    for (let at = 0; at < ENDS; at += 1) {
      const run = livetail.createOperationRun("job-1", "import");
      const value = hostileValue(g);
      const fails = at % 2 === 0;
      try {
        const outcome = fails ? await run.fail(value) : await run.complete(value);
        if (!outcome.stored || outcome.status !== (fails ? "failed" : "completed"))
          faults.push(JSON.stringify(outcome));
        const { status, body } = await livetail.handler.handle(request(`/${run.id}/result`));
        const told = JSON.parse(body as string) as { code?: string };
        if (status !== (fails ? 409 : 200)) faults.push(`${status} ${told.code}`);
      } catch (error) {
        faults.push(`${fails ? "fail" : "complete"} threw ${String(error)}`);
      }
    }
    expect(faults.slice(0, FAULTS_SHOWN)).toEqual([]);
    await livetail.close();
    await store.close();
  },
  DEADLINE_MS,
);
