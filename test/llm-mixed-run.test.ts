/** One operation that asks models in three ways, as its viewers see it. */
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ChatOpenAI } from "@langchain/openai";
import OpenAI from "openai";
import { afterAll, describe, expect, it } from "vitest";
import { createNodeHandler } from "../src/adapters/node.js";
import { captureClaude } from "../src/capture/claude-cli.js";
import { livetailCallbacks } from "../src/capture/langchain.js";
import { openaiFetch } from "../src/capture/openai.js";
import { readTailCall, tail } from "../src/cli/tail.js";
import { currentRun } from "../src/default-livetail.js";
import { createLivetail } from "../src/livetail.js";
import { memoryStore } from "../src/store/memory.js";
import { createTestIo, fixture } from "./support/cli.js";
import { testPrice as price } from "./support/llm-run.js";
import { startLlmServer } from "./support/llm-server.js";

const provider = await startLlmServer();
const livetail = createLivetail({ store: memoryStore(), price });
const server = createServer(createNodeHandler(livetail));
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await livetail.close();
  await provider.stop();
});

const baseURL = `${provider.url}/v1`;
const model = "gpt-5-mini";
const claude = [fixture("claude.mjs"), "claude-max-turns.ndjson", "--exit", "1"];
const langchain = new ChatOpenAI({
  model,
  apiKey: "sk-test",
  callbacks: [livetailCallbacks()],
  configuration: { baseURL },
});
const openai = new OpenAI({ apiKey: "sk-test", baseURL, fetch: openaiFetch({ step: "writer", includeUsage: true }) });

/** Grades by Claude Code, or in its place by LangChain; then writes by a stream of OpenAI. */
async function grade(): Promise<string> {
  const { error } = await captureClaude(spawn(process.execPath, claude), { step: "grader" });
  if (error !== undefined) {
    currentRun()?.logger.llmCallFallback({ stepName: "grader", backend: "langchain" });
    await langchain.invoke("Grade job 42.");
  }
  let text = "";
  const messages = [{ role: "user" as const, content: "Write it." }];
  for await (const { choices } of await openai.chat.completions.create({ model, messages, stream: true })) {
    text += choices[0]?.delta.content ?? "";
  }
  return text;
}

describe("a run with a failed call of Claude Code, a fallback to LangChain, and a stream of OpenAI", () => {
  it("shows three calls, one error and one fallback, and the cost by backend and in total", async () => {
    let runId = "";
    const text = await livetail.runOperation("job-42", "grade", (run) => {
      runId = run.id;
      return grade();
    });
    expect(text).toBe("The order ships on Monday – 12 €.");

    const response = await fetch(`${url}/${runId}`, { headers: { connection: "close" } });
    const { logs, backend_stats } = await response.json();
    expect(
      logs.flatMap(({ event, backend }: Record<string, string>) => (backend ? [`${backend} ${event}`] : [])),
    ).toEqual([
      "claude_cli llm_call_start",
      "claude_cli llm_call_error",
      "langchain llm_call_fallback",
      "langchain llm_call_start",
      "langchain llm_call_complete",
      "openai llm_call_start",
      "openai llm_call_complete",
    ]);
    expect(backend_stats.backends).toMatchObject({
      claude_cli: { calls: 1, errors: 1, cost_usd: 0.0123, unpriced_calls: 0 },
      langchain: { calls: 1, errors: 0, fallbacks: 1, cost_usd: 0.000_669_5, unpriced_calls: 0 },
      openai: { calls: 1, errors: 0, cost_usd: 0.000_669_5, unpriced_calls: 0 },
    });
    expect(backend_stats.total).toMatchObject({
      calls: 3,
      errors: 1,
      fallbacks: 1,
      cost_usd: 0.013_639,
      unpriced_calls: 0,
    });

    const io = createTestIo({ env: {}, realClock: true });
    const call = readTailCall([runId, "--url", url], {});
    if (call === null) throw new Error("Help was not wanted.");
    expect(await tail(call, io)).toBe(0);
    expect(io.printed.stderr.split("\n").filter((line) => line.includes("$"))).toEqual([
      "  $ claude_cli  1 call  $0.01  1 error  12296 tokens in, 2 out",
      "  $ langchain  1 call  $0.00067  1 fallback  2006 tokens in, 300 out",
      "  $ openai  1 call  $0.00067  2006 tokens in, 300 out",
      "  $ total  3 calls  $0.01  1 error  1 fallback  16308 tokens in, 602 out",
    ]);
    expect(io.printed.stdout).toContain("Reached maximum number of turns (1)");
  });
});
