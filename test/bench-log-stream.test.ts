import { describe, expect, test } from "vitest";
import { LogStream } from "../bench/log-stream.js";

const HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const LOGS = [
  'id: k3f9x2mq07ab.1\nevent: log\ndata: {"message":"one"}\n\n',
  'id: k3f9x2mq07ab.2\nevent: log\ndata: {"message":"zwei – 二"}\n\nid: k3f9x2mq07ab.3\nevent: log\ndata: {}\n\n',
  'event:log\nid:4\ndata:{"message":"as better-sse writes it"}\n\n',
];
const OTHERS = [
  "retry: 2000\n\n",
  'id: k3f9x2mq07ab.0\nevent: state\ndata: {"status":"running"}\n\n',
  ": ping\n\n",
  'id: k3f9x2mq07ab.2\nevent: state\ndata: {"text":"event: log"}\n\n',
];
const CHUNKS = [OTHERS[0], OTHERS[1], LOGS[0], OTHERS[2], LOGS[1], OTHERS[3], LOGS[2]].map((text = "") => text);
const ANSWER = Buffer.from(HEAD + CHUNKS.map(asChunk).join(""));

describe("The log frames of a stream", () => {
  test("are found wherever it is cut", () => {
    const sums = new Set<string>();
    for (let cut = 0; cut <= ANSWER.length; cut += 1) {
      expect(logsOf([ANSWER.subarray(0, cut), ANSWER.subarray(cut)], sums)).toBe(LOGS.join(""));
    }
    expect(
      logsOf(
        Array.from(ANSWER, (byte) => Buffer.of(byte)),
        sums,
      ),
    ).toBe(LOGS.join(""));
    expect(sums.size).toBe(1);
  });

  test("have another checksum when one letter is another", () => {
    const sums = new Set<string>();
    logsOf([ANSWER], sums);
    logsOf([Buffer.from(ANSWER.toString().replace("zwei", "drei"))], sums);
    expect(sums.size).toBe(2);
  });

  test("are not looked for in an answer that is no stream, or that has ended", () => {
    const refused = Buffer.from(HEAD.replace("200 OK", "404 Not Found"));
    expect(() => new LogStream().take(refused)).toThrow("Not a stream");
    expect(() => new LogStream().take(Buffer.concat([ANSWER, Buffer.from("0\r\n\r\n")]))).toThrow("has ended");
  });
});

function asChunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}

function logsOf(pieces: readonly Buffer[], sums: Set<string>): string {
  const logs: Buffer[] = [];
  const stream = new LogStream((piece) => logs.push(Buffer.from(piece)));
  for (const piece of pieces) stream.take(Buffer.from(piece));
  sums.add(`${stream.bytes} ${stream.crc}`);
  return Buffer.concat(logs).toString();
}
