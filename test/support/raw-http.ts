/** Raw bytes to an HTTP/1.1 server, and its answers read strictly: whatever is not well-formed is an error. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** One answer of a server. */
export interface RawAnswer {
  status: number;
  /** By lower-case name. */
  headers: Map<string, string>;
  /** All of it, or what has come of a stream so far. */
  body: Buffer;
  complete: boolean;
}

const STATUS_LINE = /^HTTP\/1\.1 ([1-5]\d\d) [\t -~]*$/;
const HEADER_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\t -~\u0080-\u00ff]*)$/;
const CHUNK_SIZE = /^[0-9a-f]{1,8}$/i;
const NOTHING: Buffer = Buffer.alloc(0);

/** Reads answers out of bytes as they come. Throws for what is no answer. */
export class AnswerReader {
  /** The answers so far; the last one may be incomplete. */
  readonly answers: RawAnswer[] = [];
  #rest: Buffer = NOTHING;
  #current: RawAnswer | null = null;
  /** What is left of a body: bytes, chunks, or all until the end of the connection. */
  #left: number | "chunks" | "all" = 0;
  readonly #methodAt: (index: number) => string;

  /** `methodAt` names the method of the request that the answer with this index is for. */
  constructor(methodAt: (index: number) => string) {
    this.#methodAt = methodAt;
  }

  /** How many answers are complete. */
  get complete(): number {
    return this.answers.length - (this.#current === null ? 0 : 1);
  }

  feed(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (this.#current === null ? this.#head() : this.#body(this.#current)) {}
  }

  /** The server has ended the connection. */
  end(): void {
    if (this.#current !== null && this.#left === "all") this.#finish(this.#current);
    if (this.#rest.length > 0 && this.#current === null) throw new Error(`No answer: ${shown(this.#rest)}`);
  }

  #head(): boolean {
    const end = this.#rest.indexOf("\r\n\r\n");
    if (end === -1) return false;
    const [first = "", ...lines] = this.#rest.toString("latin1", 0, end).split("\r\n");
    this.#rest = this.#rest.subarray(end + 4);
    const status = Number(STATUS_LINE.exec(first)?.[1] ?? Number.NaN);
    if (Number.isNaN(status)) throw new Error(`No status line: ${JSON.stringify(first)}`);
    if (status < 200) return true;
    const headers = new Map<string, string>();
    for (const line of lines) {
      const [, name = "", value = ""] = HEADER_LINE.exec(line) ?? [];
      if (name === "") throw new Error(`No header line: ${JSON.stringify(line)}`);
      if (headers.has(name.toLowerCase())) throw new Error(`A header twice: ${JSON.stringify(line)}`);
      headers.set(name.toLowerCase(), value);
    }
    const method = this.#methodAt(this.answers.length);
    this.#current = { status, headers, body: NOTHING, complete: false };
    this.answers.push(this.#current);
    const length = headers.get("content-length");
    if (method === "HEAD" || status === 204 || status === 304) this.#left = 0;
    else if (headers.get("transfer-encoding") === "chunked") this.#left = "chunks";
    else if (length === undefined) this.#left = "all";
    else this.#left = Number(length);
    if (Number.isNaN(this.#left)) throw new Error(`No length: ${length}`);
    return true;
  }

  #body(answer: RawAnswer): boolean {
    if (this.#left === "chunks") return this.#chunk(answer);
    const size = this.#left === "all" ? this.#rest.length : this.#left;
    if (this.#left === "all") {
      answer.body = Buffer.concat([answer.body, this.#rest]);
      this.#rest = NOTHING;
      return false;
    }
    if (this.#rest.length < size) return false;
    answer.body = this.#rest.subarray(0, size);
    this.#rest = this.#rest.subarray(size);
    this.#finish(answer);
    return this.#rest.length > 0;
  }

  #chunk(answer: RawAnswer): boolean {
    const end = this.#rest.indexOf("\r\n");
    if (end === -1) return false;
    const text = this.#rest.toString("latin1", 0, end);
    if (!CHUNK_SIZE.test(text)) throw new Error(`No size of a chunk: ${JSON.stringify(text)}`);
    const size = Number.parseInt(text, 16);
    const from = end + 2;
    if (this.#rest.length < from + size + 2) return false;
    if (this.#rest.toString("latin1", from + size, from + size + 2) !== "\r\n") throw new Error("A chunk without end");
    answer.body = Buffer.concat([answer.body, this.#rest.subarray(from, from + size)]);
    this.#rest = this.#rest.subarray(from + size + 2);
    if (size === 0) this.#finish(answer);
    return this.#rest.length > 0;
  }

  #finish(answer: RawAnswer): void {
    answer.complete = true;
    this.#current = null;
  }
}

const shown = (bytes: Buffer): string => JSON.stringify(bytes.toString("latin1", 0, 300));

/** A connection that writes raw bytes. */
export class RawConnection {
  readonly reader: AnswerReader;
  /** The port on this side. */
  readonly port: number;
  /** What was wrong with what came; null for nothing. */
  fault: Error | null = null;
  /** The server has closed the connection, or cut it. */
  closed = false;
  readonly #socket: Socket;
  readonly #onNews: () => void;

  constructor(socket: Socket, methodAt: (index: number) => string, onNews: () => void) {
    this.#socket = socket;
    this.port = socket.localPort ?? 0;
    this.#onNews = onNews;
    this.reader = new AnswerReader(methodAt);
    socket.on("data", (bytes) => this.#take(() => this.reader.feed(bytes)));
    // A cut is seen as the end of what can be read: what is missing then, is missed.
    socket.on("error", () => {});
    socket.once("close", () => {
      this.closed = true;
      this.#take(() => this.reader.end());
    });
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** Says that no more will come; the answer can still be read. */
  endWriting(): void {
    this.#socket.end();
  }

  /** Leaves, whatever is under way. */
  destroy(): void {
    this.#socket.destroy();
  }

  #take(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.fault ??= error as Error;
    }
    this.#onNews();
  }
}

/** Connects to a port of 127.0.0.1. `methodAt` as of `AnswerReader`; `onNews` is called whenever something came. */
export async function connectRaw(
  port: number,
  methodAt: (index: number) => string,
  onNews: () => void = () => {},
): Promise<RawConnection> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  return new RawConnection(socket, methodAt, onNews);
}
