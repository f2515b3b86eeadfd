/** A process that is the viewers of some runs, as event streams; see `model.ts`. */
import { deepStrictEqual, strictEqual } from "node:assert";
import { connect, type Socket } from "node:net";
import { until } from "../test/support/until.js";
import { LogStream } from "./log-stream.js";
import { MODEL_LINES } from "./model-lines.js";

/** `open` answers when all streams have begun, `verify` when every viewer has the lines of its run and nothing else. */
export type ModelViewersOrder =
  | { kind: "open"; port: number; paths: string[]; viewers: number }
  | { kind: "verify"; lines: number[] };

interface Viewer {
  socket: Socket;
  stream: LogStream;
  /** The frames, of the first viewer of a run only. */
  text: Buffer[];
}

let audiences: Viewer[][] = [];

process.on("disconnect", () => process.exit(0));
process.on("message", async (order: ModelViewersOrder) => {
  if (order.kind === "open") {
    audiences = order.paths.map((path) =>
      Array.from({ length: order.viewers }, (_, at) => openStream(order.port, path, at === 0)),
    );
    await until(() => audiences.flat().every(({ stream }) => stream.begun), "all streams to begin", 60_000);
  } else {
    for (const [run, lines] of order.lines.entries()) await verify(audiences[run] ?? [], lines);
    for (const { socket } of audiences.flat()) socket.removeAllListeners("close").destroy();
  }
  process.send?.({});
});

function openStream(port: number, path: string, collect: boolean): Viewer {
  const text: Buffer[] = [];
  const stream = new LogStream(collect ? (piece) => text.push(Buffer.from(piece)) : undefined);
  const socket = connect(port, "127.0.0.1", () => {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n`);
  });
  socket.on("data", (bytes) => stream.take(bytes));
  socket.on("close", () => {
    throw new Error("The server closed a stream.");
  });
  return { socket, stream, text };
}

async function verify([first, ...others]: Viewer[], lines: number): Promise<void> {
  if (first === undefined) return;
  const messages = (): string[] =>
    Array.from(
      Buffer.concat(first.text)
        .toString()
        .matchAll(/^data: (.*)\n\n/gm),
      ([, data = ""]) => (JSON.parse(data) as { message: string }).message,
    );
  await until(() => messages().length >= lines, `${lines} lines`, 30_000);
  deepStrictEqual(
    messages(),
    Array.from({ length: lines }, (_, at) => MODEL_LINES[at % MODEL_LINES.length]?.message),
  );
  for (const { stream } of others) {
    await until(() => stream.bytes >= first.stream.bytes, "the same lines at every viewer", 30_000);
    strictEqual(`${stream.bytes} ${stream.crc}`, `${first.stream.bytes} ${first.stream.crc}`);
  }
}
