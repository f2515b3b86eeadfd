/** A process that is all viewers of a run: raw sockets, each of which has to get the same lines, byte for byte. */
import { deepStrictEqual } from "node:assert";
import { connect, type Socket } from "node:net";
import { ownCpu } from "./cpu-time.js";
import { benchLines } from "./inputs.js";
import { LogStream } from "./log-stream.js";

/** Whom the viewers connect to. */
export interface FanOutPlace {
  port: number;
  /** Where one more connects that takes nothing until the others have everything; "": there is none. */
  slowPath: string;
  /** Path of the stream. */
  path: string;
}

/** What the parent asks: the answer comes when it is so. The process ends when a stream is not as it should be. */
export type FanOutQuestion =
  | { ask: "open"; place: FanOutPlace; viewers: number }
  /** All viewers but the slow one have so many lines. */
  | { ask: "reach"; lines: number }
  /** The slow one has them too, and all have the lines of this benchmark and nothing else. Closes the connections. */
  | { ask: "verify"; lines: number };

/** How many connect at a time: a server that asks Redis for each one must not be drowned. */
const WAVE = 50;
const GIVE_UP_MS = 60_000;
const LF = 10;

/** All of them read into the same memory: what was read is dealt with before the next one reads. */
const received = Buffer.alloc(65_536);

class Viewer {
  readonly #stream: LogStream;
  readonly #socket: Socket;
  #paused: boolean;

  constructor(place: FanOutPlace, slow: boolean, stream: LogStream, onTaken: (viewer: Viewer, had: number) => void) {
    this.#stream = stream;
    this.#paused = slow;
    const callback = (length: number): boolean => {
      const had = stream.bytes;
      stream.take(received.subarray(0, length));
      onTaken(this, had);
      return !(this.#paused && stream.begun);
    };
    const address = slow ? { path: place.slowPath } : { port: place.port, host: "127.0.0.1" };
    this.#socket = connect({ ...address, onread: { buffer: received, callback } }, () => {
      this.#socket.write(`GET ${place.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n`);
    });
    this.#socket.on("close", () => {
      throw new Error("The server closed a stream.");
    });
  }

  get begun(): boolean {
    return this.#stream.begun;
  }

  get bytes(): number {
    return this.#stream.bytes;
  }

  get sum(): string {
    return `${this.#stream.bytes} bytes, checksum ${this.#stream.crc}`;
  }

  /** Takes what it left so far. */
  hurry(): void {
    this.#paused = false;
    this.#socket.resume();
  }

  close(): void {
    this.#socket.removeAllListeners("close").destroy();
  }
}

/** Viewers of one stream. The first one tells how many bytes the lines are; the others are compared with it. */
class Audience {
  readonly #viewers: Viewer[] = [];
  /** Not one of them before the others have everything. */
  #slow: Viewer | null = null;
  readonly #reference = new LogStream((piece) => this.#collect(piece));
  readonly #pieces: Buffer[] = [];
  /** Where each line ends. */
  readonly #ends: number[] = [];
  #lastByte = 0;
  /** What is waited for: so many lines, of which `behind` viewers do not have all `bytes` (0: not known yet). */
  #goal = { lines: 0, bytes: 0, behind: 0, reached: () => {} };

  async open(place: FanOutPlace, viewers: number): Promise<void> {
    const viewer = (slow: boolean, stream = new LogStream()) =>
      new Viewer(place, slow, stream, (who, had) => this.#taken(who, had));
    this.#viewers.push(viewer(false, this.#reference));
    while (this.#viewers.length < viewers) {
      const wave = Math.min(WAVE, viewers - this.#viewers.length);
      for (let i = 0; i < wave; i += 1) this.#viewers.push(viewer(false));
      while (!this.#viewers.every(({ begun }) => begun)) await turn();
    }
    if (place.slowPath !== "") this.#slow = viewer(true);
    while (this.#slow?.begun === false) await turn();
  }

  reach(lines: number): Promise<void> {
    return new Promise((resolve) => {
      this.#goal = { lines, bytes: 0, behind: 0, reached: resolve };
      this.#aim();
    });
  }

  async verify(lines: number): Promise<void> {
    if (this.#slow !== null) {
      this.#viewers.push(this.#slow);
      this.#slow.hurry();
      this.#slow = null;
    }
    await this.reach(lines);
    const odd = this.#viewers.find(({ sum }) => sum !== this.#viewers[0]?.sum);
    if (odd !== undefined) throw new Error(`A viewer got ${odd.sum}, another one ${this.#viewers[0]?.sum}.`);
    const datas = Buffer.concat(this.#pieces)
      .toString()
      .matchAll(/^data: ?(.*)$/gm);
    const messages = Array.from(datas, ([, data = ""]) => (JSON.parse(data) as { message?: string }).message);
    deepStrictEqual(
      messages,
      benchLines(lines).map(({ message }) => message),
    );
    for (const viewer of this.#viewers) viewer.close();
  }

  #collect(piece: Buffer): void {
    const before = this.#reference.bytes - piece.length;
    this.#pieces.push(Buffer.from(piece));
    piece.forEach((byte, at) => {
      if (byte === LF && this.#lastByte === LF) this.#ends.push(before + at + 1);
      this.#lastByte = byte;
    });
  }

  #taken(viewer: Viewer, had: number): void {
    const goal = this.#goal;
    if (goal.bytes === 0) {
      if (viewer === this.#viewers[0]) this.#aim();
    } else if (viewer !== this.#slow) {
      if (had >= goal.bytes || viewer.bytes < goal.bytes) return;
      goal.behind -= 1;
      if (goal.behind === 0) goal.reached();
    }
  }

  /** Finds out how many bytes the wanted lines are, once the first viewer has them, and who does not have them. */
  #aim(): void {
    const goal = this.#goal;
    const bytes = this.#ends[goal.lines - 1];
    if (bytes === undefined) return;
    goal.bytes = bytes;
    goal.behind = this.#viewers.filter((viewer) => viewer.bytes < bytes).length;
    if (goal.behind === 0) goal.reached();
  }
}

let audience = new Audience();

async function answer(question: FanOutQuestion): Promise<void> {
  const tooLong = setTimeout(() => {
    throw new Error(`Waited too long: ${JSON.stringify(question)}`);
  }, GIVE_UP_MS);
  switch (question.ask) {
    case "open":
      audience = new Audience();
      await audience.open(question.place, question.viewers);
      break;
    case "reach":
      await audience.reach(question.lines);
      break;
    case "verify":
      await audience.verify(question.lines);
      break;
  }
  clearTimeout(tooLong);
  process.send?.({});
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

process.on("message", (question: FanOutQuestion | "cpu") => {
  if (question === "cpu") process.send?.(ownCpu());
  else void answer(question);
});
process.on("disconnect", () => process.exit(0));
