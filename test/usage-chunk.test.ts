import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { askingForUsage, createUsageRemover } from "../src/capture/usage-chunk.js";

const asked = readFileSync(new URL("fixtures/llm/openai-chat.sse", import.meta.url));
/** What OpenAI sends to who does not ask: no member `usage`, no chunk without choices. */
const unasked = asked
  .toString()
  .split("\n\n")
  .filter((event) => !event.includes('"choices":[]'))
  .map((event) => event.replace(',"usage":null', ""))
  .join("\n\n");

function removed(stream: Uint8Array, pieceBytes: number): Buffer {
  const remover = createUsageRemover();
  const parts: Uint8Array[] = [];
  for (let i = 0; i < stream.length; i += pieceBytes) parts.push(remover.push(stream.subarray(i, i + pieceBytes)));
  return Buffer.concat([...parts, remover.end()]);
}

describe("asking a chat stream for its usage", () => {
  it("adds the wish to the text of a request, and changes nothing else of it", () => {
    const body = '{"model":"m","seed":12345678901234567890,"messages":[{"content":"}"}],"stream":true}\n';
    expect(askingForUsage(body)).toBe(
      '{"model":"m","seed":12345678901234567890,"messages":[{"content":"}"}],"stream":true,"stream_options":{"include_usage":true}}\n',
    );
  });

  it.each([1, 2, 3, 7, 100, 333, 1000, 100_000])("takes out what it adds, in pieces of %i bytes", (pieceBytes) => {
    expect(removed(asked, pieceBytes).toString()).toBe(unasked);
  });

  it.each([1, 1000, 100_000])("leaves every other byte as it is, in pieces of %i bytes", (pieceBytes) => {
    const long = `data: {"choices":[{"delta":{"content":"${"x".repeat(40_000)}"}}]}\n\n`;
    const words =
      'data: {"choices":[{"delta":{"content":",\\"usage\\":null and \\"choices\\":[] \\"usage\\":{"}}]}\n\n';
    const other = Buffer.concat([Buffer.from(`${long}${words}: c\n\n\n\n`), Buffer.from([0xff, 0xc3, 0x28, 0]), asked]);
    const without = Buffer.concat([other.subarray(0, -asked.length), Buffer.from(unasked)]);
    expect(removed(other, pieceBytes).equals(without)).toBe(true);
  });

  it("leaves a stream with other line ends as it is, and holds nothing of it back", () => {
    const foreign = Buffer.from(asked.toString().replaceAll("\n", "\r\n"));
    expect(removed(foreign, 100).equals(foreign)).toBe(true);
    const remover = createUsageRemover();
    expect(remover.push(foreign.subarray(0, 10)).length + remover.push(foreign).length).toBe(10 + foreign.length);
  });

  it("hands on a long event before it has ended", () => {
    const remover = createUsageRemover();
    expect(remover.push(Buffer.from(`data: {"choices":[${"x".repeat(10_000)}`))).toHaveLength(0);
    expect(remover.push(Buffer.from("x".repeat(10_000)))).toHaveLength(20_018);
  });
});
