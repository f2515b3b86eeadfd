/** An operation that calls models, and its run as a viewer reads it over HTTP. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createNodeHandler } from "../../src/adapters/node.js";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import type { PriceFn } from "../../src/price.js";
import type { LogEntry, PollAnswer } from "../../src/protocol.js";
import type { Run } from "../../src/run.js";
import { memoryStore } from "../../src/store/memory.js";

/** Where operations run that viewers read over HTTP. */
export interface OperationsOverHttp {
  readonly livetail: Livetail;
  /** The URL of the mount. */
  readonly url: string;
  /** Runs `work` as an operation, and resolves to its run when it has ended. What the work throws is a test's fault. */
  read(work: (run: Run) => unknown): Promise<PollAnswer>;
  stop(): Promise<void>;
}

export async function startOperationsOverHttp(price?: PriceFn): Promise<OperationsOverHttp> {
  const livetail = createLivetail({ store: memoryStore(), ...(price === undefined ? {} : { price }) });
  const server = createServer(createNodeHandler(livetail));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    livetail,
    url,
    async read(work) {
      let runId = "";
      await livetail.runOperation("job-42", "grade", async (run) => {
        runId = run.id;
        await work(run);
      });
      const response = await fetch(`${url}/${runId}`, { headers: { connection: "close" } });
      return (await response.json()) as PollAnswer;
    },
    async stop() {
      await new Promise((resolve) => server.close(resolve));
      await livetail.close();
    },
  };
}

/** The ends of calls in a run: what a test asks of them. */
export function endedCalls({ logs }: PollAnswer): Partial<LogEntry>[] {
  return logs.filter(({ event }) => event === "llm_call_complete" || event === "llm_call_error");
}

/** Dollars for a million tokens. */
const PRICES: Record<string, { input: number; cached: number; written: number; output: number }> = {
  "gpt-5-mini-2025-08-07": { input: 0.25, cached: 0.025, written: 0.25, output: 2 },
  "claude-haiku-4-5-20251001": { input: 1, cached: 0.1, written: 1.25, output: 5 },
};

/** A table of two models, in which every kind of token has a price of its own. */
export const testPrices: PriceFn = ({ model, usage }) => {
  const prices = PRICES[model];
  const { inputTokens, outputTokens, cachedTokens = 0, cacheWriteTokens = 0 } = usage;
  if (prices === undefined || inputTokens === undefined || outputTokens === undefined) return null;
  const plain = inputTokens - cachedTokens - cacheWriteTokens;
  const dollars =
    plain * prices.input +
    cachedTokens * prices.cached +
    cacheWriteTokens * prices.written +
    outputTokens * prices.output;
  return { costUsd: dollars / 1e6, model };
};
