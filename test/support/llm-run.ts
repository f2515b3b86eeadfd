/** An operation with a price table, read over HTTP, and what it says of the calls of models in it. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createNodeHandler } from "../../src/adapters/node.js";
import { withRun } from "../../src/context.js";
import { createLivetail } from "../../src/livetail.js";
import type { PriceFn } from "../../src/price.js";
import type { LogEntry, PollAnswer } from "../../src/protocol.js";
import type { Run } from "../../src/run.js";
import { memoryStore } from "../../src/store/memory.js";

/** Dollars for a million tokens. Nothing else has a price. */
const PRICES = {
  "gpt-5-mini": { input: 0.25, cached: 0.025, written: 0.25, output: 2 },
  "claude-haiku-4-5": { input: 1, cached: 0.1, written: 1.25, output: 5 },
};

/** A table of these two. */
export const testPrice: PriceFn = ({ model, usage }) => {
  const known = Object.entries(PRICES).find(([name]) => model.startsWith(name));
  if (known === undefined) return null;
  const [name, { input, cached, written, output }] = known;
  const { inputTokens = 0, cachedTokens = 0, cacheWriteTokens = 0, outputTokens = 0 } = usage;
  const plain = inputTokens - cachedTokens - cacheWriteTokens;
  const millions = plain * input + cachedTokens * cached + cacheWriteTokens * written + outputTokens * output;
  return { costUsd: millions / 1e6, model: name };
};

/** Runs `work` as an operation, and resolves to its run as it is read over HTTP. */
export async function llmRun(work: (run: Run) => unknown, price: PriceFn = testPrice): Promise<PollAnswer> {
  const livetail = createLivetail({ store: memoryStore(), price, onError: () => {} });
  const server = createServer(createNodeHandler(livetail));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const run = livetail.createOperationRun("job", "llm");
  await withRun(run, async () => work(run));
  await run.complete();
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}/${run.id}`, { headers: { connection: "close" } });
  const answer = (await response.json()) as PollAnswer;
  await new Promise((resolve) => server.close(resolve));
  await livetail.close();
  return answer;
}

/** What lines tell of calls, without what differs from one time to the next. */
export function callsIn({ logs }: PollAnswer): Record<string, unknown>[] {
  return logs.map((entry: LogEntry) => {
    const { index, timestamp, source, message, job_id, level, duration_ms, traceback, metadata, ...call } = entry;
    return Object.keys(metadata).length === 0 ? call : { ...call, metadata };
  });
}

/** The ends of the calls in a run. */
export function endedCalls({ logs }: PollAnswer): LogEntry[] {
  return logs.filter(({ event }) => event === "llm_call_complete" || event === "llm_call_error");
}
