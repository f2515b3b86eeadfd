/** What the provider answers in the scenes of test/fixtures/ai-calls.ts, which come in a header. */
import type { LlmRequest, ProviderAnswer } from "./llm-server.js";

const TOOL_CALL = { id: "call_1", type: "function", function: { name: "weather", arguments: "{}" } };
const CONTENT = '"content": "The order ships on Monday."';

/** Versions and scenes that have met their first answer. */
const retried = new Set<string>();

/** Answers a request; to the first one of a scene that retries, with a failure that may be tried again at once. */
export function aiScene({ headers, body }: LlmRequest): ProviderAnswer | undefined {
  const scene = String(headers["x-scene"]);
  if (scene.includes("failed")) return { fixture: "openai-500.json", status: 500 };
  const asking = `${headers["x-version"]} ${scene}`;
  if (scene.includes("retried") && !retried.delete(asking)) {
    retried.add(asking);
    return { fixture: "openai-429.json", status: 429, headers: { "retry-after-ms": "1" } };
  }
  if (scene === "abort") return { before: () => new Promise(() => {}) };
  if (scene === "abortStream" || scene === "leaveStream") return { events: 3, ending: "stay" };
  if (scene === "stream cut") return { events: 3, ending: "cut" };
  if (scene === "stream short") return { events: 3 };
  if (scene === "text rubbish") return { text: "<html>502</html>" };
  if (scene.startsWith("object")) return { edit: asObject };
  if (scene.includes("unpriced")) return { edit: (text) => text.replace(/"usage": ?\{/g, '"used":{') };
  if (scene.includes("tools") && !JSON.stringify(body.messages).includes('"role":"tool"')) return { edit: asToolCall };
  return undefined;
}

function asObject(text: string): string {
  return text
    .replace("The order ships on Monday.", '{\\"grade\\": 7}')
    .replace(/"content":"(The order| ships| on Mon|day – 12 €|\.)"/g, (_, part) =>
      part === "." ? '"content":"{\\"grade\\": 7}"' : '"content":""',
    );
}

function asToolCall(text: string): string {
  const streamed = { tool_calls: [{ index: 0, ...TOOL_CALL }] };
  return text
    .replace(CONTENT, `"content": null, "tool_calls": [${JSON.stringify(TOOL_CALL)}]`)
    .replace(/"delta":\{"content":" ships"\}/, `"delta":${JSON.stringify(streamed)}`)
    .replace(/"finish_reason": ?"stop"/g, '"finish_reason":"tool_calls"');
}
