/** `POST /v1/messages` as Anthropic speaks it. */
import { z } from "zod";
import { bearerOf, type Usage, type Wire } from "./wire.js";

const text = z.union([
  z.string(),
  z
    .array(z.object({ type: z.literal("text"), text: z.string() }))
    .transform((blocks) => blocks.map((block) => block.text).join("\n")),
]);

const request = z.object({
  model: z.string(),
  max_tokens: z.number().int().positive(),
  system: text.default(""),
  messages: z.array(z.object({ role: z.enum(["user", "assistant"]), content: text })).min(1),
  stream: z.boolean().default(false),
});

const TYPES: Record<number, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  404: "not_found_error",
  529: "overloaded_error",
};

/** Anthropic. */
export const anthropicWire: Wire = {
  provider: "anthropic",
  path: "/v1/messages",
  models: { "claude-sonnet-5": "claude-sonnet-5" },
  keyOf: (header) => header("x-api-key") ?? bearerOf(header("authorization")),
  read(body) {
    const { success, data } = request.safeParse(body);
    if (!success) return null;
    const user = data.messages.findLast(({ role }) => role === "user")?.content ?? "";
    return { model: data.model, system: data.system, user, stream: data.stream, usageAsked: true };
  },
  answer: (id, model, text, usage) => ({
    ...message(id, model),
    content: [{ type: "text", text }],
    ...{ stop_reason: "end_turn", stop_sequence: null, usage: usageOf(usage) },
  }),
  opening: (id, model, { input_tokens }) =>
    event("message_start", {
      message: {
        ...message(id, model),
        ...{ content: [], stop_reason: null, stop_sequence: null, usage: usageOf({ input_tokens, output_tokens: 1 }) },
      },
    }) + event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
  piece: (_id, _model, text) => event("content_block_delta", { index: 0, delta: { type: "text_delta", text } }),
  closing: (_id, _model, { output_tokens }) =>
    event("content_block_stop", { index: 0 }) +
    event("message_delta", { delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens } }) +
    event("message_stop", {}),
  error: (status, message) => ({ type: "error", error: { type: TYPES[status] ?? "api_error", message } }),
};

function message(id: string, model: string) {
  return { id: `msg_${id}`, type: "message", role: "assistant", model };
}

function event(type: string, fields: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
}

function usageOf(usage: Usage) {
  return { ...usage, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };
}
