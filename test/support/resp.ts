/** Redis over a plain socket, as a service in another language speaks to it: bytes out, bytes in, no client library. */
import { once } from "node:events";
import { connect } from "node:net";

/** What Redis answers: a text, a number, nothing, a list of those, or an error. */
export type RespReply = string | number | null | Error | RespReply[];

/** A connection. */
export interface RespSocket {
  /** Sends one command; its arguments may be any bytes. Rejects with what Redis refuses. */
  send(...command: (string | number | Uint8Array)[]): Promise<RespReply>;
  close(): void;
}

/** Connects to a server on 127.0.0.1. */
export async function openResp(port: number): Promise<RespSocket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const waiting: ((reply: RespReply) => void)[] = [];
  let bytes = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    for (let found = parse(bytes, 0); found !== null; found = parse(bytes, 0)) {
      bytes = bytes.subarray(found.end);
      waiting.shift()?.(found.reply);
    }
  });
  socket.on("close", () => {
    for (const answer of waiting.splice(0)) answer(new Error("The connection was closed."));
  });
  return {
    send(...command) {
      const parts = command.map((part) => (part instanceof Uint8Array ? Buffer.from(part) : Buffer.from(`${part}`)));
      const pieces = parts.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from("\r\n")]);
      socket.write(Buffer.concat([Buffer.from(`*${parts.length}\r\n`), ...pieces]));
      return new Promise((resolve, reject) => {
        waiting.push((reply) => (reply instanceof Error ? reject(reply) : resolve(reply)));
      });
    },
    close: () => socket.destroy(),
  };
}

/** The reply that begins at `at`, and where it ends; null when it is not all there yet. */
function parse(bytes: Buffer, at: number): { reply: RespReply; end: number } | null {
  const lineEnd = bytes.indexOf("\r\n", at);
  if (lineEnd === -1) return null;
  const text = bytes.toString("utf8", at + 1, lineEnd);
  const begin = lineEnd + 2;
  switch (bytes.toString("latin1", at, at + 1)) {
    case "+":
      return { reply: text, end: begin };
    case "-":
      return { reply: new Error(text), end: begin };
    case ":":
      return { reply: Number(text), end: begin };
    case "$": {
      if (text === "-1") return { reply: null, end: begin };
      const end = begin + Number(text);
      return bytes.length < end + 2 ? null : { reply: bytes.toString("utf8", begin, end), end: end + 2 };
    }
    case "*": {
      const replies: RespReply[] = [];
      let end = begin;
      for (let i = 0; i < Number(text); i++) {
        const one = parse(bytes, end);
        if (one === null) return null;
        replies.push(one.reply);
        end = one.end;
      }
      return { reply: replies, end };
    }
    default:
      throw new Error(`This is no answer of Redis: ${bytes.toString("latin1", at, at + 20)}`);
  }
}
