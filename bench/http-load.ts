/** Asks one URL over and over on connections that stay open, one request at a time on each. */
import { connect, type Socket } from "node:net";

export interface Load {
  port: number;
  /** Path and query. */
  path: string;
  /** Every answer's body must begin like this. */
  bodyStart: string;
  connections: number;
  seconds: number;
}

/** Resolves to how many answers came; rejects when an answer is not 200 or its body begins otherwise. */
export async function answersPerSecond(load: Load): Promise<{ answers: number; perSecond: number }> {
  const request = `GET ${load.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n`;
  // latin1: a byte is a character, so that Content-Length counts characters.
  const expected = Buffer.from(load.bodyStart).toString("latin1");
  const sockets: Socket[] = [];
  let answers = 0;
  let running = true;
  try {
    const before = performance.now();
    const stop = setTimeout(() => {
      running = false;
    }, load.seconds * 1000);
    const ask = (): Promise<void> =>
      new Promise((resolve, reject) => {
        const socket = connect(load.port, "127.0.0.1", () => socket.write(request));
        sockets.push(socket);
        let received = "";
        socket.setNoDelay(true);
        socket.setEncoding("latin1");
        socket.on("error", reject);
        socket.on("close", () => reject(new Error("The server closed the connection.")));
        socket.on("data", (chunk: string) => {
          received += chunk;
          const end = endOfAnswer(received);
          if (end === -1 || received.length < end) return;
          if (!isExpected(received, expected)) {
            reject(new Error(`Not the expected answer:\n${received}`));
            return;
          }
          received = "";
          answers += 1;
          if (running) socket.write(request);
          else resolve();
        });
      });
    await Promise.all(Array.from({ length: load.connections }, ask)).finally(() => clearTimeout(stop));
    return { answers, perSecond: (answers * 1000) / (performance.now() - before) };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

/** Where the answer at the beginning of `text` ends; -1 while its head is not complete. */
function endOfAnswer(text: string): number {
  const head = text.indexOf("\r\n\r\n");
  if (head === -1) return -1;
  const at = text.toLowerCase().indexOf("content-length:");
  if (at === -1 || at > head) throw new Error(`An answer without its length:\n${text}`);
  return head + 4 + Number.parseInt(text.slice(at + 15), 10);
}

function isExpected(answer: string, bodyStart: string): boolean {
  return answer.startsWith("HTTP/1.1 200 ") && answer.startsWith(bodyStart, answer.indexOf("\r\n\r\n") + 4);
}
