/** Asks a server over and over on connections that stay open, one request at a time on each. */
import { connect, type Socket } from "node:net";

/** One request, and how its answer is recognised. */
export interface Question {
  /** Path and query. */
  path: string;
  /** The answer's body must begin like this; ASCII, as `bodyHolds`. */
  bodyStart: string;
  /** What must stand somewhere in it. */
  bodyHolds: string;
}

export interface Load {
  port: number;
  /** What is asked next, on whichever connection. */
  question: () => Question;
  connections: number;
  seconds: number;
}

/** So many connect at a time: of more at once, a server leaves some waiting for a second. */
const WAVE = 128;

/** Resolves to how many answers came; rejects when an answer is not 200 or its body is not the expected one. */
export async function answersPerSecond(load: Load): Promise<{ answers: number; perSecond: number }> {
  const sockets: Socket[] = [];
  let answers = 0;
  let running = true;
  try {
    while (sockets.length < load.connections) {
      const wave = Math.min(WAVE, load.connections - sockets.length);
      await Promise.all(Array.from({ length: wave }, () => open(load.port, sockets)));
    }
    const before = performance.now();
    const stop = setTimeout(() => {
      running = false;
    }, load.seconds * 1000);
    const ask = (socket: Socket): Promise<void> =>
      new Promise((resolve, reject) => {
        let question = load.question();
        const send = (): void => {
          socket.write(`GET ${question.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n`);
        };
        let received = "";
        socket.on("error", reject);
        socket.on("close", () => reject(new Error("The server closed the connection.")));
        socket.on("data", (chunk: string) => {
          received += chunk;
          const end = endOfAnswer(received);
          if (end === -1 || received.length < end) return;
          if (!isExpected(received, question)) {
            reject(new Error(`Not the expected answer to ${question.path}:\n${received}`));
            return;
          }
          received = "";
          answers += 1;
          if (!running) {
            resolve();
            return;
          }
          question = load.question();
          send();
        });
        send();
      });
    await Promise.all(sockets.map(ask)).finally(() => clearTimeout(stop));
    return { answers, perSecond: (answers * 1000) / (performance.now() - before) };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

/** Adds a connection to `sockets`; resolves when it stands. */
function open(port: number, sockets: Socket[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => {
      socket.off("error", reject);
      resolve();
    });
    socket.on("error", reject);
    // latin1: a byte is a character, so that Content-Length counts characters.
    socket.setEncoding("latin1");
    sockets.push(socket);
  });
}

/** Where the answer at the beginning of `text` ends; -1 while its head is not complete. */
function endOfAnswer(text: string): number {
  const head = text.indexOf("\r\n\r\n");
  if (head === -1) return -1;
  const at = text.toLowerCase().indexOf("content-length:");
  if (at === -1 || at > head) throw new Error(`An answer without its length:\n${text}`);
  return head + 4 + Number.parseInt(text.slice(at + 15), 10);
}

function isExpected(answer: string, { bodyStart, bodyHolds }: Question): boolean {
  const body = answer.indexOf("\r\n\r\n") + 4;
  return answer.startsWith("HTTP/1.1 200 ") && answer.startsWith(bodyStart, body) && answer.includes(bodyHolds, body);
}
