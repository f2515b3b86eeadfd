import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type * as ai5 from "ai5";
import type * as ai6 from "ai6";
import type * as ai7 from "ai7";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { livetailMiddleware } from "../src/capture/ai.js";
import type { Mode, Told } from "./fixtures/ai-calls.js";
import { aiScene } from "./support/ai-scene.js";
import { ensureBuilt } from "./support/built.js";
import { callsIn } from "./support/llm-run.js";
import { startLlmServer } from "./support/llm-server.js";
import { newerNode } from "./support/newer-node.js";

const PROGRAM = fileURLToPath(new URL("fixtures/ai-calls.ts", import.meta.url));

const server = await startLlmServer(aiScene);
afterAll(server.stop);
type Scenes = Record<string, Told>;

async function run(version: string, node: string, ...modes: Mode[]): Promise<Record<Mode, Scenes>> {
  const args = ["--no-warnings", "--import", "tsx", PROGRAM, version, server.url, ...modes];
  const child = spawn(node, args, { stdio: ["ignore", "pipe", "inherit"] });
  return JSON.parse(await text(child.stdout));
}

/** Calls, errors, unpriced calls and dollars of a scene. */
function sums(scenes: Scenes, scene: string): (number | undefined)[] {
  const total = scenes[scene]?.answer?.backend_stats.total;
  return [total?.calls, total?.errors, total?.unpriced_calls, total?.cost_usd];
}

/** All scenes, with what a watcher that misses nothing tells of them. */
const WHOLE = {
  text: [1, 0, 0, 0.000_669_5],
  "text responses": [1, 0, 0, 0.000_984_6],
  "text tools": [2, 0, 0, 0.001_339],
  "text failed": [1, 1, 1, 0],
  "text retried": [2, 1, 1, 0.000_669_5],
  "text unpriced": [1, 0, 1, 0],
  "text rubbish": [1, 1, 1, 0],
  stream: [1, 0, 0, 0.000_669_5],
  "stream responses": [1, 0, 0, 0.000_984_6],
  "stream tools": [2, 0, 0, 0.001_339],
  "stream failed": [1, 1, 1, 0],
  "stream retried": [2, 1, 1, 0.000_669_5],
  "stream cut": [1, 1, 1, 0],
  "stream short": [1, 1, 1, 0],
  "stream unpriced": [1, 0, 1, 0],
  object: [1, 0, 0, 0.000_669_5],
  "object failed": [1, 1, 1, 0],
  objects: [1, 0, 0, 0.000_669_5],
  embedding: [1, 0, 1, 0],
  "embedding failed": [1, 1, 1, 0],
  "embedding retried": [2, 1, 2, 0],
  abort: [1, 1, 1, 0],
  abortStream: [1, 1, 1, 0],
  leaveStream: [1, 1, 1, 0],
} as const;

const NOTHING = [0, 0, 0, 0];

/** What AI SDK 6 does not tell: failures that are no aborts, attempts before the last, objects and embeddings. */
const UNTOLD = {
  "text failed": NOTHING,
  "text retried": [1, 0, 0, 0.000_669_5],
  "text rubbish": NOTHING,
  "stream failed": NOTHING,
  "stream retried": [1, 0, 0, 0.000_669_5],
  "stream cut": NOTHING,
  "stream short": [1, 0, 1, 0],
  object: NOTHING,
  "object failed": NOTHING,
  objects: NOTHING,
  embedding: NOTHING,
  "embedding failed": NOTHING,
  "embedding retried": NOTHING,
};

const versions: { version: string; modes: Partial<Record<Mode, Record<string, readonly number[]>>> }[] = [
  { version: "5", modes: { wrapped: WHOLE } },
  { version: "6", modes: { captured: { ...WHOLE, ...UNTOLD }, wrapped: WHOLE, both: WHOLE } },
  { version: "7", modes: { captured: WHOLE, wrapped: WHOLE, both: WHOLE } },
];

/** What became of all scenes, by version. */
const toldBy: Record<string, Record<Mode, Scenes>> = {};
beforeAll(async () => {
  await ensureBuilt();
  const running = versions.map(async ({ version, modes }) => {
    // AI SDK 7 needs Node 22 or later.
    const node = version === "7" ? await newerNode() : process.execPath;
    toldBy[version] = await run(version, node, "none", ...(Object.keys(modes) as Mode[]));
  });
  await Promise.all(running);
}, 180_000);

describe.each(versions)("AI SDK $version", ({ version, modes }) => {
  let told: Record<Mode, Scenes>;
  beforeAll(() => {
    told = toldBy[version] as Record<Mode, Scenes>;
  });

  it.each(Object.entries(modes))(
    "%s: each call is counted once, to the nano-dollar, and each failure",
    (mode, whole) => {
      const scenes = told[mode as Mode];
      const asked = Object.keys(whole).filter((scene) => scene in scenes);
      expect(asked.length).toBeGreaterThan(20);
      const expected = mode === "captured" ? { ...whole, leaveStream: NOTHING } : whole;
      expect(Object.fromEntries(asked.map((scene) => [scene, sums(scenes, scene)]))).toEqual(
        Object.fromEntries(asked.map((scene) => [scene, expected[scene]])),
      );
    },
  );

  it.each(Object.keys(modes))("%s: the caller gets what it gets when nobody watches", (mode) => {
    const outcomes = (scenes: Scenes) => Object.entries(scenes).map(([scene, { outcome }]) => [scene, outcome]);
    expect(outcomes(told[mode as Mode])).toEqual(outcomes(told.none));
  });

  it.each(Object.keys(modes))("%s: a call has its backend, models, step, tokens and cost", (mode) => {
    const { text, "stream responses": streamed, "text failed": failed, abortStream } = told[mode as Mode];
    const step_name = mode === "wrapped" ? "wrapped" : "asker";
    const common = { backend: "openai", step_name };
    const start = { event: "llm_call_start", model: "gpt-5-mini", ...common };
    const complete = {
      event: "llm_call_complete",
      model: "gpt-5-mini-2025-08-07",
      ...common,
      input_tokens: 2006,
      cached_tokens: 1920,
      output_tokens: 300,
      reasoning_tokens: 128,
      cost_usd: 0.000_669_5,
      cost_source: "local",
      cost_model: "gpt-5-mini",
      metadata: { finish_reason: "stop" },
    };
    const response = { input_tokens: 1500, cached_tokens: 1024, output_tokens: 420, reasoning_tokens: 256 };
    expect(calls(text)).toEqual([start, complete]);
    expect(calls(streamed)).toEqual([start, { ...complete, ...response, cost_usd: 0.000_984_6 }]);
    if (version === "6" && mode === "captured") return;
    // Prompts, keys and bodies, which the AI SDK hangs on its errors, stay where they are.
    expect(calls(failed)[1]).toEqual({
      event: "llm_call_error",
      model: "gpt-5-mini",
      ...common,
      error: "AI_APICallError: The server had an error while processing your request. Sorry about that!",
      cost_source: "unknown",
      metadata: { status_code: 500 },
    });
    expect(calls(abortStream)[1]).toMatchObject({ event: "llm_call_error", metadata: { aborted: true } });
  });

  it("is left alone outside of a run, and when the capture is undone", () => {
    for (const [mode, scenes] of Object.entries(told)) {
      expect(scenes.outside?.outcome).toEqual(told.none.outside?.outcome);
      expect(sums(scenes, "undone")[0]).toBe(mode === "wrapped" || mode === "both" ? 1 : 0);
    }
  });
});

function calls(scene: Told | undefined) {
  return scene?.answer == null ? [] : callsIn(scene.answer);
}

describe("the middleware for the AI SDK", () => {
  it("is one for the compiler in each version", () => {
    const middleware = livetailMiddleware();
    const wraps: [ai5.LanguageModelMiddleware, ai6.LanguageModelMiddleware, ai7.LanguageModelMiddleware] = [
      middleware,
      middleware,
      middleware,
    ];
    const embeds: [ai6.EmbeddingModelMiddleware, ai7.EmbeddingModelMiddleware] = [middleware, middleware];
    expect([...wraps, ...embeds]).toEqual(Array(5).fill(middleware));
  });
});
