/** Finds the `log` frames in the bytes of an event stream at a price that lets one process be a thousand viewers. */
import { crc32 } from "node:zlib";

const NOTHING = Buffer.alloc(0);
/** By so much of an HTTP chunk one knows what is in it: all servers here write frames of one kind in one piece. */
const TELLING_BYTES = 48;
const LOG_FRAME = /^(?:id: ?[^\n]*\n)?event: ?log\n/;

/** What came on one connection: an HTTP/1.1 answer in chunks, cut anywhere. Everything but `log` frames is skipped. */
export class LogStream {
  /** The head of the answer is complete. */
  begun = false;
  /** Length and checksum of the `log` frames so far. */
  bytes = 0;
  crc = 0;

  readonly #onLogs: (piece: Buffer) => void;
  /** The beginning of something that is understood when more of it is here. */
  #held: Buffer = NOTHING;
  /** What is missing of the chunk that has begun. */
  #left = 0;
  #isLog = false;

  /** `onLogs` gets every piece of `log` frames; it is valid during the call only. */
  constructor(onLogs: (piece: Buffer) => void = () => {}) {
    this.#onLogs = onLogs;
  }

  /** Takes what was received; it may be overwritten afterwards. Throws at an answer of another kind, and at its end. */
  take(received: Buffer): void {
    const bytes = this.#held.length === 0 ? received : Buffer.concat([this.#held, received]);
    this.#held = NOTHING;
    let at = 0;
    while (at < bytes.length) {
      if (this.#left === 0) {
        const body = this.begun ? this.#openChunk(bytes, at) : this.#openBody(bytes);
        if (body === -1) {
          this.#held = Buffer.from(bytes.subarray(at));
          return;
        }
        at = body;
      } else {
        const to = Math.min(at + this.#left, bytes.length);
        if (this.#isLog) this.#addLogs(bytes.subarray(at, to));
        this.#left -= to - at;
        at = to;
      }
    }
  }

  /** Where the body begins; -1 while the head is not complete. */
  #openBody(bytes: Buffer): number {
    const end = bytes.indexOf("\r\n\r\n");
    if (end === -1) return -1;
    const head = bytes.toString("latin1", 0, end);
    if (!/^HTTP\/1\.1 200 .*\r\ntransfer-encoding: chunked/is.test(head)) throw new Error(`Not a stream:\n${head}`);
    this.begun = true;
    return end + 4;
  }

  /** Where the content of the chunk begins that is announced at `at`; -1 while one cannot tell what is in it. */
  #openChunk(bytes: Buffer, at: number): number {
    const line = bytes[at] === CR ? at + 2 : at;
    const end = bytes.indexOf(LF, line);
    if (end === -1) return -1;
    const size = Number.parseInt(bytes.toString("latin1", line, end), 16);
    if (!(size > 0)) throw new Error("The stream has ended.");
    const telling = end + 1 + Math.min(size, TELLING_BYTES);
    if (bytes.length < telling) return -1;
    this.#isLog = LOG_FRAME.test(bytes.toString("latin1", end + 1, telling));
    this.#left = size;
    return end + 1;
  }

  #addLogs(piece: Buffer): void {
    this.bytes += piece.length;
    this.crc = crc32(piece, this.crc);
    this.#onLogs(piece);
  }
}

const CR = 13;
const LF = 10;
