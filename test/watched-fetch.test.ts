/** Whoever calls through a watched fetch gets what it would get without. */
import { Readable } from "node:stream";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { openaiFetch } from "../src/capture/openai.js";
import { endedCalls, llmRun } from "./support/llm-run.js";
import { type ProviderAnswer, startLlmServer } from "./support/llm-server.js";
import { until } from "./support/until.js";

let answer: ProviderAnswer | undefined;
const server = await startLlmServer(() => answer);
afterEach(() => {
  answer = undefined;
  server.asked.length = 0;
});
afterAll(() => server.stop());

const url = `${server.url}/v1/chat/completions`;
const watched = openaiFetch();

function init(body: Record<string, unknown> = {}, more: RequestInit = {}): RequestInit {
  const headers = { "content-type": "application/json" };
  return { method: "POST", headers, body: JSON.stringify({ model: "gpt-5-mini", messages: [], ...body }), ...more };
}

/** The pieces of a body, as they are read. */
async function piecesOf(response: Response): Promise<string[]> {
  const pieces: string[] = [];
  const decoder = new TextDecoder();
  for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
    pieces.push(decoder.decode(piece, { stream: true }));
  }
  return pieces;
}

const kinds: [string, Record<string, unknown>, ProviderAnswer | undefined][] = [
  ["a chat", {}, undefined],
  ["a chat in pieces of a byte", {}, { pieceBytes: 1 }],
  ["a stream", { stream: true, stream_options: { include_usage: true } }, undefined],
  ["a stream cut anywhere", { stream: true }, { pieceBytes: 11 }],
  ["an error", {}, { fixture: "openai-429.json", status: 429 }],
  ["rubbish", {}, { text: "\u0000{{{ \ufffd", type: "text/html" }],
  ["an empty body", {}, { text: "" }],
];

describe("a watched fetch", () => {
  it.each(kinds)("hands on %s byte for byte, with status, headers and address", async (_, body, given) => {
    answer = given;
    const plain = await fetch(url, init(body));
    const expected = Buffer.from(await plain.arrayBuffer());
    await llmRun(async () => {
      const response = await watched(url, init(body));
      const told = ({ status, statusText, ok, url: address, redirected, type }: Response): unknown[] => [
        ...[status, statusText, ok, address, redirected, type],
      ];
      expect(told(response)).toEqual(told(plain));
      const headersOf = ({ headers }: Response): unknown[] => [...headers].filter(([name]) => name !== "date");
      expect(headersOf(response)).toEqual(headersOf(plain));
      expect(response).toBeInstanceOf(Response);
      expect(Buffer.from(await response.arrayBuffer()).equals(expected)).toBe(true);
    });
    const [without, within] = server.asked;
    expect(within?.text).toBe(without?.text);
    expect(within?.headers).toEqual(without?.headers);
  });

  it("hands on each event of a stream when it comes", async () => {
    let release: (() => void)[] = [];
    answer = { before: () => new Promise<void>((resolve) => release.push(resolve)) };
    await llmRun(async () => {
      const response = await openaiFetch({ includeUsage: true })(url, init({ stream: true }));
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      for (const word of ['"role":"assistant"', '"The order"', '" ships"']) {
        await until(() => release.length === 1, "the server to wait");
        const due = release;
        release = [];
        for (const each of due) each();
        expect(new TextDecoder().decode((await reader.read()).value)).toContain(word);
      }
      await reader.cancel();
    });
  });

  it("takes a reader that brings its own buffer", async () => {
    const expected = await (await fetch(url, init())).text();
    await llmRun(async () => {
      const response = await watched(url, init());
      const reader = (response.body as ReadableStream).getReader({ mode: "byob" });
      let text = "";
      for (;;) {
        const { done, value } = await reader.read(new Uint8Array(16));
        if (done) break;
        text += Buffer.from(value).toString("latin1");
      }
      expect(text).toBe(Buffer.from(expected).toString("latin1"));
    });
  });

  it("reads no more than its reader does, so that a reader which pauses holds the server back", async () => {
    let written = 0;
    const event = `data: {"choices":[{"delta":{"content":"${"x".repeat(32_000)}"}}]}\n\n`;
    answer = {
      fixture: "openai-chat.sse",
      edit: () => event.repeat(1000),
      before: (piece) => {
        written = piece;
        return undefined;
      },
    };
    const run = await llmRun(async () => {
      const response = await watched(url, init({ stream: true }));
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      await reader.read();
      // The server stands still: what it could send has filled the buffers of the sockets on the way.
      let before = -1;
      await until(() => {
        const stands = written === before;
        before = written;
        return stands && written > 0;
      }, "the server to stand still");
      expect(written).toBeLessThan(500);
      let bytes = 0;
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        bytes += value.length;
      }
      expect(bytes).toBeGreaterThan(31_000_000);
    });
    expect(written).toBe(999);
    expect(endedCalls(run)).toMatchObject([{ error: "The answer ended before it was complete." }]);
  });

  it("lets the provider go when its reader vanishes", async () => {
    answer = { events: 2, ending: "stay" };
    const run = await llmRun(async () => {
      const response = await watched(url, init({ stream: true }));
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      await reader.read();
      await reader.cancel("enough");
      expect(await server.asked[0]?.closed).toBe(false);
    });
    expect(endedCalls(run)).toMatchObject([
      { error: "The caller left before the answer was complete.", metadata: { aborted: true } },
    ]);
  });

  it("hands on an abort as it is, before the answer and in the middle of it", async () => {
    answer = { events: 2, ending: "stay" };
    const reason = new Error("no longer needed");
    const outcomeOf = async (fetch: typeof globalThis.fetch): Promise<unknown[]> => {
      const early = await fetch(url, init({}, { signal: AbortSignal.abort(reason) })).catch((error) => error);
      const controller = new AbortController();
      const response = await fetch(url, init({ stream: true }, { signal: controller.signal }));
      const pieces: string[] = [];
      const late = await (async () => {
        for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
          pieces.push(Buffer.from(piece).toString());
          controller.abort(reason);
        }
      })().catch((error) => error);
      return [early, late, pieces.length];
    };
    const without = await outcomeOf(fetch);
    expect(without.slice(0, 2)).toEqual([reason, reason]);
    const run = await llmRun(async () => {
      expect(await outcomeOf(watched)).toEqual(without);
    });
    expect(endedCalls(run)).toHaveLength(2);
  });

  it("takes a Request, and bodies that it cannot look into", async () => {
    const run = await llmRun(async () => {
      await (await watched(new Request(url, init()))).text();
      await (await watched(new URL(url), init({}, { body: new Uint8Array(3) }))).text();
      await (await watched(url, init({}, { body: `"${"x".repeat(5_000_000)}"` }))).text();
    });
    expect(endedCalls(run).map(({ event, model }) => [event, model])).toEqual(
      Array.from({ length: 3 }, () => ["llm_call_complete", "gpt-5-mini-2025-08-07"]),
    );
  });

  it("takes a fetch whose answers are no streams of bytes, or no streams at all", async () => {
    const chunks = (): Response =>
      new Response(
        new ReadableStream({
          start(controller) {
            controller.enqueue(Buffer.from('{"model":"m","usage":'));
            controller.enqueue(Buffer.from('{"prompt_tokens":1,"completion_tokens":2}}'));
            controller.close();
          },
        }),
        { headers: { "content-type": "application/json" } },
      );
    const run = await llmRun(async () => {
      const response = await openaiFetch({ fetch: async () => chunks() })(url, init());
      expect(await piecesOf(response)).toEqual(['{"model":"m","usage":', '{"prompt_tokens":1,"completion_tokens":2}}']);
      const empty = await openaiFetch({ fetch: async () => new Response(null, { status: 204 }) })(url, init());
      expect(empty.body).toBe(null);
    });
    expect(endedCalls(run)).toMatchObject([
      { event: "llm_call_complete", model: "m", input_tokens: 1, output_tokens: 2 },
      { event: "llm_call_error" },
    ]);
  });

  it("leaves answers of a class of another library alone, and says so", async () => {
    const headers = new Headers();
    const foreign = { status: 200, ok: true, headers, body: Readable.from(["{}"]) } as unknown as Response;
    const refused = { ...foreign, status: 503, ok: false, statusText: "" };
    const run = await llmRun(async () => {
      expect(await openaiFetch({ fetch: async () => foreign })(url, init())).toBe(foreign);
      expect(await openaiFetch({ fetch: async () => refused })(url, init())).toBe(refused);
    });
    expect(endedCalls(run)).toMatchObject([
      { event: "llm_call_complete", metadata: { unpriced_because: "the answer is no stream that can be watched" } },
      { event: "llm_call_error", error: "HTTP 503", metadata: { http_status: 503 } },
    ]);
  });

  it("hands on what a fetch throws at once as a rejection", async () => {
    const throwing = (): never => {
      throw new TypeError("no such scheme");
    };
    const run = await llmRun(async () => {
      await expect(openaiFetch({ fetch: throwing })(url, init())).rejects.toThrow("no such scheme");
    });
    expect(endedCalls(run)).toMatchObject([{ event: "llm_call_error", error: "TypeError: no such scheme" }]);
  });

  it("passes everything on as it is outside of a run", async () => {
    const calls: unknown[][] = [];
    const response = new Response("{}");
    const passing = openaiFetch({
      fetch: async (...args) => {
        calls.push(args);
        return response;
      },
    });
    const given = init();
    expect(await passing(url, given)).toBe(response);
    expect(calls[0]?.[0]).toBe(url);
    expect(calls[0]?.[1]).toBe(given);
  });
});
