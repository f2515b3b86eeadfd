import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type ClaudeAnswer, captureClaude } from "../src/capture/claude-cli.js";
import { endedCalls, llmRun } from "./support/llm-run.js";

const PROGRAM = fileURLToPath(new URL("fixtures/claude.mjs", import.meta.url));

/** Starts the program that stands in for the command. */
function claude(file: string, ...args: string[]): ChildProcess {
  return spawn(process.execPath, [PROGRAM, file, ...args], { stdio: ["ignore", "pipe", "pipe"] });
}

function fixture(name: string): string {
  return readFileSync(new URL(`fixtures/llm/${name}`, import.meta.url), "utf8");
}

const OPUS = "claude-opus-4-5-20251101";
/** 360 plain tokens of two models, 28,119 read from the cache and 5,567 written to it. */
const told = {
  event: "llm_call_complete",
  backend: "claude_cli",
  model: OPUS,
  input_tokens: 34_046,
  cached_tokens: 28_119,
  output_tokens: 389,
  cost_usd: 0.056_600_3,
  cost_source: "provider",
};

describe("the capture of Claude Code's command", () => {
  it("tells a call with its tokens and its cost, and as lines what was said and done", async () => {
    let answer: ClaudeAnswer = {};
    const run = await llmRun(async () => {
      answer = await captureClaude(claude("claude-success.ndjson", "--stderr", "a warning"), { step: "grader" });
    });
    expect(answer).toMatchObject({ text: "Score: 8. The salary fits – 95.000 €.", result: { num_turns: 3 } });
    expect(answer.error).toBe(undefined);
    expect(endedCalls(run)).toMatchObject([{ ...told, step_name: "grader" }]);
    expect(run.backend_stats.backends).toMatchObject({
      claude_cli: { calls: 1, errors: 0, cost_usd: 0.056_600_3, unpriced_calls: 0 },
    });
    const lines = run.logs.filter(({ message }) => message !== "a warning");
    expect(lines.map(({ level, event, message }) => [level, event, message])).toEqual([
      ["info", "llm_call_start", "grader: start [claude_cli]"],
      ["info", "claude_session", `claude: a session with ${OPUS}`],
      ["info", "claude_assistant", "I read the posting first."],
      ["info", "claude_tool_use", 'Read {"file_path":"/home/jobs/job-42.md"}'],
      ["debug", "claude_tool_result", "# Senior engineer – Köln\n95.000 € a year"],
      ["info", "claude_assistant", "The salary fits – 95.000 €."],
      ["info", "llm_call_complete", expect.stringMatching(/^grader: complete \[claude_cli\]/)],
    ]);
    expect(lines.at(-1)).toMatchObject({
      session_id: "6f0d3c1e-2b7a-4c53-9a41-0e5f6a7b8c9d",
      result_preview: "Score: 8. The salary fits – 95.000 €.",
      metadata: { num_turns: 3, models: { [OPUS]: 0.055_650_3, "claude-haiku-4-5-20251001": 0.000_95 } },
    });
  });

  it("takes the totals of the last result of several, and never adds them up", async () => {
    const run = await llmRun(() => captureClaude(claude("claude-two-results.ndjson")));
    expect(endedCalls(run)).toMatchObject([
      { ...told, cost_usd: 0.075_151_3, input_tokens: 51_303, cached_tokens: 45_158, output_tokens: 521 },
    ]);
    expect(run.backend_stats.total).toMatchObject({ calls: 1, errors: 0, cost_usd: 0.075_151_3, unpriced_calls: 0 });
  });

  it("reads characters and lines that are cut anywhere", async () => {
    const run = await llmRun(() => captureClaude(claude("claude-success.ndjson", "--pieces", "97")));
    expect(endedCalls(run)).toMatchObject([told]);
    expect(run.logs.map(({ message }) => message)).toContain("The salary fits – 95.000 €.");
  });

  it("tells a result that is an error as one, with what it cost", async () => {
    let answers: ClaudeAnswer[] = [];
    const run = await llmRun(async () => {
      answers = [
        await captureClaude(claude("claude-max-turns.ndjson", "--exit", "1")),
        await captureClaude(claude("claude-invalid-key.ndjson", "--exit", "1", "--stderr", "noise")),
      ];
    });
    const texts = ["Reached maximum number of turns (1)", "Invalid API key · Fix external API key"];
    expect(answers.map(({ text, error }) => [text, error])).toEqual(texts.map((text) => [undefined, text]));
    expect(endedCalls(run)).toMatchObject([
      { event: "llm_call_error", error: texts[0], model: OPUS, input_tokens: 12_296, cost_usd: 0.0123 },
      { event: "llm_call_error", error: texts[1], cost_usd: 0 },
    ]);
    expect(run.backend_stats.total).toMatchObject({ calls: 2, errors: 2, cost_usd: 0.0123, unpriced_calls: 0 });
  });

  it("tells an exit code that is not 0, with what was printed last on stderr", async () => {
    const run = await llmRun(async () => {
      const [success, bare] = await Promise.all([
        captureClaude(claude("claude-success.ndjson", "--exit", "3")),
        captureClaude(claude("claude-success.ndjson", "--bytes", "0", "--exit", "1", "--stderr", "no such option")),
      ]);
      expect(success.error).toBe("claude ended with exit code 3");
      expect(bare.error).toBe("claude ended with exit code 1: no such option");
    });
    expect(run.backend_stats.total).toMatchObject({ calls: 2, errors: 2, cost_usd: 0.056_600_3, unpriced_calls: 1 });
  });

  it("tells an end without a result, a torn last line, and a turn that was not ended as errors", async () => {
    const whole = fixture("claude-success.ndjson");
    const twice = Buffer.byteLength(fixture("claude-two-results.ndjson"));
    const run = await llmRun(async () => {
      const torn = String(Buffer.byteLength(whole) - 300);
      expect((await captureClaude(claude("claude-success.ndjson", "--bytes", torn))).error).toBe(
        "claude ended without a result",
      );
      const answer = await captureClaude(claude("claude-two-results.ndjson", "--bytes", String(twice - 300)));
      expect(answer.error).toBe("claude ended without a result");
    });
    expect(endedCalls(run)).toMatchObject([
      { event: "llm_call_error", model: OPUS, cost_source: "unknown" },
      { event: "llm_call_error", cost_usd: 0.056_600_3 },
    ]);
    expect(run.logs.filter(({ source }) => source === "text").map(({ message }) => message.slice(0, 16))).toEqual([
      '{"type":"result"',
      '{"type":"result"',
    ]);
  });

  it("tells a command that is told to end as aborted, and one that cannot be started", async () => {
    const run = await llmRun(async () => {
      const child = claude("claude-success.ndjson", "--bytes", "1200", "--stay");
      child.stdout?.once("data", () => child.kill());
      expect((await captureClaude(child)).error).toBe("claude was ended by SIGTERM");
      const missing = await captureClaude(spawn("/nowhere/claude", []));
      expect(missing.error).toContain("ENOENT");
    });
    expect(endedCalls(run)).toMatchObject([
      { event: "llm_call_error", metadata: { aborted: true } },
      { event: "llm_call_error" },
    ]);
  });

  it("logs rubbish as it is, and goes on", async () => {
    const rubbish = ["npm warn old", "{", '{"type":7}', "[]", '{"no":"type"}', '{"type":"assistant","message":7}'];
    const odd = ['{"type":"assistant","message":{"content":[7,{"type":"tool_use"}]}}', '{"type":"later","subtype":7}'];
    const run = await llmRun(() =>
      captureClaude(Readable.from([...rubbish, ...odd, ...fixture("claude-success.ndjson").trimEnd().split("\n")])),
    );
    expect(endedCalls(run)).toMatchObject([told]);
    const messages = run.logs.map(({ message }) => message);
    expect(messages.slice(1, 4)).toEqual(["npm warn old", "{", expect.anything()]);
    expect(messages).toContain("claude: later");
  });

  it.each([
    ['"modelUsage":', '"ignored":', { input_tokens: 17_045, output_tokens: 5, model: OPUS }],
    [/"total_cost_usd":[\d.]+/, '"total_cost_usd":-1', { cost_source: "unknown" }],
    [/"total_cost_usd":[\d.]+/, '"total_cost_usd":null', { cost_source: "unknown" }],
    ['"inputTokens":10', '"inputTokens":"ten"', { output_tokens: 389, cost_usd: 0.056_600_3 }],
  ] as const)("takes what it can of a result in which %s stands otherwise", async (pattern, words, expected) => {
    const lines = fixture("claude-success.ndjson").replace(pattern, words).trimEnd().split("\n");
    const run = await llmRun(() => captureClaude(Readable.from(lines)));
    expect(endedCalls(run)).toMatchObject([{ event: "llm_call_complete", ...expected }]);
  });

  it("takes lines of a reader, bytes of a pipe, and tells when these fail", async () => {
    const child = claude("claude-success.ndjson");
    const failing = async function* (): AsyncGenerator<string> {
      yield fixture("claude-success.ndjson").split("\n")[0] ?? "";
      throw new Error("the pipe broke");
    };
    const run = await llmRun(async () => {
      if (child.stdout === null) throw new Error("There is no stdout.");
      await captureClaude(createInterface({ input: child.stdout }));
      await captureClaude(Readable.from([Buffer.from(fixture("claude-success.ndjson"))]));
      expect((await captureClaude(failing(), { backend: "writer" })).error).toBe("Error: the pipe broke");
    });
    expect(endedCalls(run)).toMatchObject([told, told, { event: "llm_call_error", backend: "writer" }]);
  });

  it("reads to the end outside of a run, and answers alike", async () => {
    expect(await captureClaude(claude("claude-success.ndjson"))).toMatchObject({
      text: "Score: 8. The salary fits – 95.000 €.",
    });
  });
});
