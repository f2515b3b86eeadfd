import { describe, expect, it } from "vitest";
import { type AnswerReader, createAnswerReader } from "../src/capture/answer-reader.js";

const STREAM = "text/event-stream";
const last =
  'data: {"model":"m","choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":7}}\n\n';
const usage = { inputTokens: 5, outputTokens: 7 };

function feed(reader: AnswerReader, text: string, pieceBytes = 65_536): AnswerReader {
  const bytes = Buffer.from(text);
  for (let i = 0; i < bytes.length; i += pieceBytes) reader.push(bytes.subarray(i, i + pieceBytes));
  return reader;
}

describe("the reader of an answer", () => {
  it("goes on after an event that is too long to look into", () => {
    const reader = createAnswerReader(STREAM);
    feed(reader, `data: {"delta":"${"x".repeat(9_000_000)}"}\n\n`);
    expect(feed(reader, last).end()).toMatchObject({ finished: true, model: "m", usage });
  });

  it("takes a stream for complete when what it cannot look into may have been its end", () => {
    const reader = createAnswerReader(STREAM);
    feed(reader, `data: {"type":"response.completed","response":"${"x".repeat(5_000_000)}"}\n\n`);
    expect(reader.told()).toMatchObject({ finished: false });
    expect(reader.end()).toMatchObject({ finished: true, unknownBecause: "the answer was too long to look into" });
  });

  it("holds no more than an event of a stream, and no body that is too long", () => {
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    const stream = createAnswerReader(STREAM);
    const body = createAnswerReader("application/json");
    const piece = Buffer.from("x".repeat(1_000_000));
    for (let i = 0; i < 100; i++) {
      stream.push(piece);
      body.push(piece);
    }
    const after = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    expect(after - before).toBeLessThan(70_000_000);
    expect(body.end()).toEqual({
      finished: true,
      rubbish: false,
      unknownBecause: "the answer was too long to look into",
    });
    expect(feed(stream, `\n\n${last}`).end()).toMatchObject({ finished: true, usage });
  });

  it("reads a stream in pieces of a byte, with characters cut and any line ends", () => {
    const text = `: comment\r\n\r\nevent: x\r\ndata: {"model":"Köln – 95 €"}\r\n\r\n${last.replaceAll("\n", "\r")}`;
    expect(feed(createAnswerReader(STREAM), text, 1).end()).toMatchObject({ model: "m", usage, rubbish: false });
  });

  it.each([
    "[]",
    "null",
    "7",
    '{"usage":[]}',
    '{"usage":{"prompt_tokens":null}}',
    '{"model":7,"choices":7}',
    '{"message":"words","response":[]}',
    '{"__proto__":{"usage":{"prompt_tokens":1}}}',
  ])("takes %s for what says nothing", (text) => {
    for (const type of [STREAM, "application/json"]) {
      const told = feed(createAnswerReader(type), type === STREAM ? `data: ${text}\n\n` : text).end();
      expect(told.usage).toBe(undefined);
      expect(told.model).toBe(undefined);
      expect(told.unknownBecause).toBe("the answer does not tell its tokens");
    }
  });
});
