/**
 * The bytes of a provider's answer, as they come → what it says of the call. Time is linear in the bytes, and memory is
 * bounded: of a stream one event is held, of another body 4 MiB.
 */
import { createParser } from "eventsource-parser";
import { type LlmAnswer, usageOf } from "../llm-usage.js";

/** What an answer says. */
export interface Told extends LlmAnswer {
  /** What the provider calls an error. */
  failure?: string;
  /** Whether something in it cannot be read. */
  rubbish: boolean;
  /** Whether the provider said that this is all. */
  finished: boolean;
  /** Why nothing is known of the tokens, when that is so. */
  unknownBecause?: string;
}

/** Reads one answer. Nothing throws. */
export interface AnswerReader {
  /** Reads on. */
  push(bytes: Uint8Array): void;
  /** The answer has ended: what it says. */
  end(): Told;
  /** What it says so far. */
  told(): Told;
}

/** Longer bodies, and longer events of a stream, are not looked into; in UTF-16 units. */
const MAX_LENGTH = 4 * 1024 * 1024;
const TOO_LONG = "the answer was too long to look into";

/** Reads a body of OpenAI's chat completions or responses, of Anthropic's messages, or of who speaks like them. */
export function createAnswerReader(contentType: string): AnswerReader {
  return contentType.includes("event-stream") ? createStreamReader() : createJsonReader();
}

function createJsonReader(): AnswerReader {
  const summary = createSummary();
  const decoder = new TextDecoder();
  let parts: string[] = [];
  let length = 0;
  const keep = (text: string): void => {
    length += text.length;
    if (length > MAX_LENGTH) parts = [];
    else parts.push(text);
  };
  return {
    push: (bytes) => keep(decoder.decode(bytes, { stream: true })),
    end() {
      keep(decoder.decode());
      if (length > MAX_LENGTH) {
        summary.finish();
        return { ...summary.told(), unknownBecause: TOO_LONG };
      }
      if (summary.add(parts.join(""))) summary.finish();
      return summary.told();
    },
    told: summary.told,
  };
}

function createStreamReader(): AnswerReader {
  const summary = createSummary();
  const decoder = new TextDecoder();
  let isTooLong = false;
  let skipped = false;
  const parser = createParser({
    maxBufferSize: MAX_LENGTH,
    onEvent: ({ data }) => summary.add(data),
    onError: ({ type }) => {
      isTooLong = type === "max-buffer-size-exceeded";
    },
  });
  const told = (): Told => {
    const said = summary.told();
    if (skipped && said.usage === undefined) said.unknownBecause = TOO_LONG;
    return said;
  };
  return {
    push(bytes) {
      isTooLong = false;
      parser.feed(decoder.decode(bytes, { stream: true }));
      if (!isTooLong) return;
      // What is left of the long event is no field, and goes by.
      parser.reset();
      skipped = true;
    },
    end() {
      // A CR at the very end may have been the first half of a line end.
      parser.feed("\n");
      // What was not looked into may have been the provider's last word.
      if (skipped) summary.finish();
      return told();
    },
    told,
  };
}

type Fields = Record<string, unknown>;

/** What the events of a stream say together; a whole answer is one event. */
interface Summary {
  /** Adds an event; false for what is no JSON object. */
  add(text: string): boolean;
  finish(): void;
  told(): Told;
}

function createSummary(): Summary {
  let model: unknown;
  let usage: Fields | undefined;
  let failure: string | undefined;
  let finished = false;
  let rubbish = false;

  const addEvent = (event: Fields): void => {
    // Anthropic's `message_start` and OpenAI's `response.…` wrap what they tell of.
    const { type, message, response, choices, error } = event;
    const inner = asFields(message) ?? asFields(response) ?? event;
    if (typeof inner.model === "string" && inner.model !== "") model = inner.model;
    // Numbers are totals so far: a later one stands in the place of an earlier one, and null says nothing.
    for (const [name, value] of Object.entries(asFields(inner.usage) ?? {})) {
      if (value !== null) usage = { ...usage, [name]: value };
    }
    const said = error ?? inner.error ?? (type === "error" ? message : undefined);
    if (said !== undefined && said !== null) failure ??= textOf(said);
    if (isLast(type) || (Array.isArray(choices) && choices.some(hasFinished))) finished = true;
  };

  return {
    add(text) {
      if (text === "[DONE]") finished = true;
      else {
        const event = parse(text);
        if (event === undefined) rubbish = true;
        else addEvent(event);
        return event !== undefined;
      }
      return true;
    },
    finish() {
      finished = true;
    },
    told() {
      const told: Told = { ...usageOf({ model, usage }), finished, rubbish };
      if (failure !== undefined) told.failure = failure;
      if (told.usage === undefined) told.unknownBecause = "the answer does not tell its tokens";
      return told;
    },
  };
}

const LAST = ["message_stop", "response.completed", "response.incomplete", "response.failed"];

function isLast(type: unknown): boolean {
  return typeof type === "string" && LAST.includes(type);
}

function hasFinished(choice: unknown): boolean {
  return typeof asFields(choice)?.finish_reason === "string";
}

/** The words of an error: a text, or an object with a message. */
function textOf(error: unknown): string {
  const message = typeof error === "string" ? error : asFields(error)?.message;
  return typeof message === "string" && message !== "" ? message : "The provider answered with an error.";
}

function parse(text: string): Fields | undefined {
  try {
    return asFields(JSON.parse(text));
  } catch {
    // Rubbish, which the caller gets as well; the call tells of it.
    return undefined;
  }
}

function asFields(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}
