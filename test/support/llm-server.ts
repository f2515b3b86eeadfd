/**
 * A real HTTP server that speaks the wires of providers of models: OpenAI (chat completions and responses), Anthropic
 * and OpenRouter, from the fixtures of test/fixtures/llm, and in the ways in which they fail.
 */
import { readFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";

const FIXTURES = fileURLToPath(new URL("../fixtures/llm/", import.meta.url));

/** A request as it came. */
export interface LlmRequest {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  /** The body's text, byte for byte. */
  text: string;
  /** The same, parsed; an empty object if it is no JSON object. */
  body: Record<string, unknown>;
  /** Resolves when the connection of its answer is closed: true if the answer had been sent to its end. */
  closed: Promise<boolean>;
}

/** What is answered to a request. */
export interface ProviderAnswer {
  /** A file of test/fixtures/llm. Default: the one that answers such a request. */
  fixture?: string;
  /** The body, in place of a fixture. */
  text?: string;
  /** Default: by the fixture's name, `application/json` for a text. */
  type?: string;
  /** Default 200. */
  status?: number;
  headers?: Record<string, string>;
  /** Changes the body. */
  edit?: (text: string) => string;
  /** How many events of a stream are sent. Default: all. */
  events?: number;
  /** What follows on the body: its end (default), a cut connection, or nothing while the caller stays. */
  ending?: "end" | "cut" | "stay";
  /** How many bytes are written at once, each such piece on its own. Default: an event of a stream, a whole body else. */
  pieceBytes?: number;
  /** Is waited for before the piece of this number, from 0, is written. Default: nothing. */
  before?: (piece: number) => Promise<unknown> | undefined;
}

/** A provider that runs. */
export interface LlmServer {
  /** `http://127.0.0.1:PORT`. The base URLs are `/v1` for OpenAI, none for Anthropic, `/api/v1` for OpenRouter. */
  readonly url: string;
  /** Every request so far. */
  readonly asked: LlmRequest[];
  /** Cuts all connections and stops listening. */
  stop(): Promise<void>;
}

/** Starts a server on a free port. `answer` says what to answer to a request, by its number from 0; by default what the provider does. */
export async function startLlmServer(
  answer: (asked: LlmRequest, number: number) => ProviderAnswer | undefined = () => undefined,
): Promise<LlmServer> {
  const asked: LlmRequest[] = [];
  const server = createServer(async (request, response) => {
    const closed = new Promise<boolean>((resolve) => {
      response.once("close", () => resolve(response.writableFinished));
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const { method = "", headers } = request;
    const path = new URL(request.url ?? "/", "http://127.0.0.1").pathname;
    const one: LlmRequest = { method, path, headers, text, body: objectOf(text), closed };
    asked.push(one);
    await send(response, { ...usualAnswer(one), ...answer(one, asked.length - 1) }, closed);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The text of a file of test/fixtures/llm. */
function llmFixture(name: string): string {
  return readFileSync(`${FIXTURES}${name}`, "utf8");
}

/** A stream without what only `stream_options.include_usage` adds to it. */
function withoutUsage(stream: string): string {
  const events = eventsOf(stream).filter((event) => !event.includes('"choices":[]'));
  return events.map((event) => event.replace(',"usage":null', "")).join("");
}

/** What the provider answers to a request when all is well. */
function usualAnswer({ path, body }: LlmRequest): ProviderAnswer {
  const ending = body.stream === true ? "sse" : "json";
  if (path === "/v1/responses") return { fixture: `openai-responses.${ending}` };
  if (path === "/v1/embeddings") return { fixture: "openai-embeddings.json" };
  if (path === "/v1/messages") return { fixture: `anthropic-messages.${ending}` };
  if (path === "/api/v1/chat/completions") return { fixture: `openrouter-chat.${ending}` };
  if (path !== "/v1/chat/completions") return { status: 404, text: '{"error":{"message":"No such path."}}' };
  const { include_usage } = (body.stream_options ?? {}) as { include_usage?: unknown };
  const edit = ending === "sse" && include_usage !== true ? withoutUsage : (text: string) => text;
  return { fixture: `openai-chat.${ending}`, edit };
}

async function send(response: ServerResponse, answer: ProviderAnswer, closed: Promise<boolean>): Promise<void> {
  const { fixture, status = 200, headers, edit = (text) => text, events, ending = "end", pieceBytes, before } = answer;
  const text = edit(answer.text ?? llmFixture(fixture ?? ""));
  const isStream = answer.text === undefined && fixture?.endsWith(".sse") === true;
  const type = answer.type ?? (isStream ? "text/event-stream; charset=utf-8" : "application/json");
  response.writeHead(status, { "content-type": type, "x-request-id": "req_livetail", ...headers });
  response.flushHeaders();

  const whole = isStream ? eventsOf(text).slice(0, events) : [text];
  const pieces = pieceBytes === undefined ? whole.map((piece) => Buffer.from(piece)) : cut(whole.join(""), pieceBytes);
  for (const [number, piece] of pieces.entries()) {
    // Who has left is not written to.
    await Promise.race([before?.(number), closed]);
    if (response.destroyed) return;
    await Promise.race([new Promise((resolve) => response.write(piece, resolve)), closed]);
  }
  if (ending === "end") response.end();
  if (ending === "cut") response.destroy();
}

/** The events of a stream, each with the blank line that ends it. */
function eventsOf(stream: string): string[] {
  return stream.split(/(?<=\n\n)/);
}

function cut(text: string, bytes: number): Buffer[] {
  const all = Buffer.from(text);
  return Array.from({ length: Math.ceil(all.length / bytes) }, (_, i) => all.subarray(i * bytes, (i + 1) * bytes));
}

function objectOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
