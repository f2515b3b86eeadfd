/** What Claude Code prints as `stream-json` → lines that people can read, and what its last result says. Pure. */
import { isCost } from "../fields.js";
import type { LlmOutcome } from "../llm-call.js";
import { type LlmUsage, usageOf } from "../llm-usage.js";
import { plainText } from "../plain-text.js";

type Fields = Record<string, unknown>;

/** What the command printed, line by line. Nothing throws. */
export interface ClaudeStream {
  /** Reads a line: what is logged of it, in the form of structured lines; null for what is none of the command's. */
  read(line: string): Fields[] | null;
  /** The last result, with all that it says. Its cost and tokens are those of the process so far, not of a turn. */
  readonly result: Fields | undefined;
  /** Whether there was a result, and nothing was said or done after it. */
  readonly isComplete: boolean;
  /** Why the last result is a failure; undefined when it is none. */
  failure(): string | undefined;
  /** The model, tokens and cost that the last result tells, and what else stands in the line of a call. */
  outcome(): LlmOutcome;
}

/** How much of a tool's input and output, and of a result, stands in a line; in UTF-16 units. */
const PREVIEW_LENGTH = 200;

/** Reads one process's output. */
export function createClaudeStream(): ClaudeStream {
  let model: string | undefined;
  let result: Fields | undefined;
  let isComplete = false;

  return {
    read(line) {
      const said = parse(line);
      if (said === undefined || typeof said.type !== "string") return null;
      const { type, message } = said;
      if (type === "result") {
        result = said;
        isComplete = true;
        return [];
      }
      if (type === "assistant" || type === "user") {
        isComplete = false;
        return contentOf(message).flatMap((block) => linesOf(type, block));
      }
      if (type === "system" && said.subtype === "init") model = nameOf(said.model) ?? model;
      // Parts of what a message says as a whole.
      return type === "stream_event" ? [] : [noticeOf(type, said)];
    },
    get result() {
      return result;
    },
    get isComplete() {
      return isComplete;
    },
    failure: () => (result === undefined ? undefined : failureOf(result)),
    outcome: () => (result === undefined ? (model === undefined ? {} : { model }) : outcomeOf(result, model)),
  };
}

/** The blocks of a message; a text alone is one. */
function contentOf(message: unknown): Fields[] {
  const content = asFields(message)?.content;
  if (typeof content === "string") return [{ type: "text", text: content }];
  return Array.isArray(content) ? content.map(asFields).filter((block) => block !== undefined) : [];
}

function linesOf(role: "assistant" | "user", block: Fields): Fields[] {
  const { type, text, thinking, name, input, content, is_error } = block;
  switch (type) {
    case "text":
      return [{ level: role === "user" ? "debug" : "info", event: `claude_${role}`, message: text }];
    case "thinking":
      return [{ level: "debug", event: "claude_thinking", message: thinking }];
    case "tool_use":
      return [
        {
          event: "claude_tool_use",
          message: `${plainText(name, PREVIEW_LENGTH)} ${preview(input)}`,
          tool: name,
          input,
        },
      ];
    case "tool_result": {
      const level = is_error === true ? "warn" : "debug";
      return [{ level, event: "claude_tool_result", message: preview(textOf(content)) }];
    }
    default:
      return [];
  }
}

/** Of a tool's result: its text, or the texts of its blocks. */
function textOf(content: unknown): unknown {
  if (!Array.isArray(content)) return content;
  const texts = content.map((block) => asFields(block)?.text).filter((text) => typeof text === "string");
  return texts.length > 0 ? texts.join("\n") : content;
}

/** What the command tells of itself: a session that begins, a hook, a compaction, a limit. */
function noticeOf(type: string, said: Fields): Fields {
  const { subtype, session_id, model } = said;
  const words = [type, subtype].filter((word) => typeof word === "string").join(" ");
  if (type !== "system" || subtype !== "init")
    return { level: "debug", event: "claude_notice", message: `claude: ${words}` };
  const by = nameOf(model) === undefined ? "" : ` with ${model}`;
  return { event: "claude_session", message: `claude: a session${by}`, session_id, model };
}

function failureOf(result: Fields): string | undefined {
  const { is_error, subtype, errors, result: text } = result;
  const kind = nameOf(subtype) ?? "";
  // Older versions call a run out of turns no error.
  if (is_error !== true && !kind.startsWith("error")) return undefined;
  const said = Array.isArray(errors) ? errors.filter((error) => nameOf(error) !== undefined).join("; ") : "";
  return said || nameOf(text) || kind || "claude says that it failed";
}

function outcomeOf(result: Fields, asked: string | undefined): LlmOutcome {
  const { total_cost_usd, usage, modelUsage, session_id, num_turns, duration_api_ms, result: text } = result;
  const models = Object.entries(asFields(modelUsage) ?? {}).flatMap(([name, each]) => {
    const told = asFields(each);
    return told === undefined ? [] : [{ name, told }];
  });
  const outcome: LlmOutcome = { session_id, num_turns, duration_api_ms };
  const model = mainModel(models, asked);
  if (model !== undefined) outcome.model = model;
  const tokens = models.length > 0 ? sumOf(models.map(({ told }) => tokensOf(told))) : usageOf({ usage }).usage;
  if (tokens !== undefined) outcome.usage = tokens;
  if (isCost(total_cost_usd)) outcome.costUsd = total_cost_usd;
  if (models.length > 1) outcome.models = Object.fromEntries(models.map(({ name, told }) => [name, told.costUSD]));
  if (nameOf(text) !== undefined) outcome.result_preview = preview(text);
  return outcome;
}

interface ModelUsage {
  name: string;
  told: Fields;
}

/** The model that the session began with, if it was used; else the one that cost most: others help it. */
function mainModel(models: ModelUsage[], asked: string | undefined): string | undefined {
  if (models.some(({ name }) => name === asked)) return asked;
  const costOf = ({ told }: ModelUsage): number => (isCost(told.costUSD) ? told.costUSD : 0);
  const [first] = [...models].sort((a, b) => costOf(b) - costOf(a));
  return first?.name ?? asked;
}

/** As Anthropic counts: the input without what was read from the cache and written to it. */
function tokensOf(told: Fields): LlmUsage {
  const { inputTokens, outputTokens, cacheReadInputTokens, cacheCreationInputTokens } = told;
  const raw = {
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    cache_read_input_tokens: cacheReadInputTokens,
    cache_creation_input_tokens: cacheCreationInputTokens,
  };
  return usageOf({ usage: raw }).usage ?? {};
}

const TOKENS = ["inputTokens", "outputTokens", "cachedTokens", "cacheWriteTokens"] as const;

/** What all of them tell; a number that one of them leaves out is unknown for all. */
function sumOf(usages: LlmUsage[]): LlmUsage {
  const sum: LlmUsage = {};
  for (const name of TOKENS) {
    const total = usages.reduce<number | undefined>((known, usage) => plus(known, usage[name]), 0);
    if (total !== undefined) sum[name] = total;
  }
  return sum;
}

function plus(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a + b;
}

function preview(value: unknown): string {
  return plainText(typeof value === "string" ? value : JSON.stringify(value), PREVIEW_LENGTH);
}

function nameOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function parse(line: string): Fields | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return asFields(JSON.parse(line));
  } catch {
    // Torn, or none of the command's: it is logged as it is.
    return undefined;
  }
}

function asFields(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}
