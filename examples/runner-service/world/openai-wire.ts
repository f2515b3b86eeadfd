/** `POST /v1/chat/completions` as OpenAI speaks it. */
import { z } from "zod";
import { bearerOf, type Usage, type Wire } from "./wire.js";

const request = z.object({
  model: z.string(),
  messages: z.array(z.object({ role: z.string(), content: z.string() })).min(1),
  stream: z.boolean().default(false),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
});

const CODES: Record<number, string> = { 401: "invalid_api_key", 404: "model_not_found" };

/** Told when nothing else is: the same prompt is answered alike. */
const CREATED = 1_768_392_000;

/** OpenAI. */
export const openaiWire: Wire = {
  provider: "openai",
  path: "/v1/chat/completions",
  models: { "gpt-5-mini": "gpt-5-mini-2025-08-07" },
  keyOf: (header) => bearerOf(header("authorization")),
  read(body) {
    const { success, data } = request.safeParse(body);
    if (!success) return null;
    const said = (role: string): string => data.messages.findLast((message) => message.role === role)?.content ?? "";
    return {
      model: data.model,
      system: said("system") || said("developer"),
      user: said("user"),
      stream: data.stream,
      usageAsked: data.stream_options?.include_usage === true,
    };
  },
  answer: (id, model, text, usage) => ({
    ...{ id: `chatcmpl-${id}`, object: "chat.completion", created: CREATED, model },
    choices: [{ index: 0, message: { role: "assistant", content: text, refusal: null }, finish_reason: "stop" }],
    usage: usageOf(usage),
  }),
  opening: (id, model) => chunk(id, model, { role: "assistant", content: "" }),
  piece: (id, model, content) => chunk(id, model, { content }),
  closing(id, model, usage, usageAsked) {
    const last = chunk(id, model, {}, "stop");
    const told = { ...head(id, model), choices: [], usage: usageOf(usage) };
    return `${last}${usageAsked ? `data: ${JSON.stringify(told)}\n\n` : ""}data: [DONE]\n\n`;
  },
  error: (status, message) => ({
    error: { message, type: "invalid_request_error", param: null, code: CODES[status] ?? null },
  }),
};

function head(id: string, model: string) {
  return { id: `chatcmpl-${id}`, object: "chat.completion.chunk", created: CREATED, model };
}

function chunk(id: string, model: string, delta: object, finish_reason: "stop" | null = null): string {
  return `data: ${JSON.stringify({ ...head(id, model), choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
}

function usageOf({ input_tokens, output_tokens }: Usage) {
  return {
    prompt_tokens: input_tokens,
    completion_tokens: output_tokens,
    total_tokens: input_tokens + output_tokens,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
}
