/** One connection that stays open and reads large answers, so cheaply that the server is what is measured. */
import { connect, type Socket } from "node:net";

const HEAD_END = "\r\n\r\n";

export class AnswerReader {
  readonly #socket: Socket;
  /** What was received of the answer that is awaited. */
  #received = Buffer.allocUnsafe(2_097_152);
  #length = 0;
  /** Where the answer ends; not known before its head is there. */
  #end = Number.POSITIVE_INFINITY;
  #body = 0;
  #resolve: (body: Buffer) => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(port: number) {
    const buffer = Buffer.allocUnsafe(262_144);
    const callback = (size: number): boolean => {
      this.#take(buffer.subarray(0, size));
      return true;
    };
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true, onread: { buffer, callback } });
    this.#socket.on("error", (error) => this.#reject(error));
    this.#socket.on("close", () => this.#reject(new Error("The server closed the connection.")));
  }

  /** The body of one answer, valid until the next one is asked for; rejects unless it is a 200. */
  get(path: string): Promise<Buffer> {
    if (this.#socket.destroyed) return Promise.reject(new Error("The connection is closed."));
    this.#length = 0;
    this.#end = Number.POSITIVE_INFINITY;
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n`);
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    if (this.#length + chunk.length > this.#received.length) {
      this.#reject(new Error("An answer longer than any that is expected."));
      return;
    }
    chunk.copy(this.#received, this.#length);
    this.#length += chunk.length;
    if (this.#end === Number.POSITIVE_INFINITY) this.#readHead();
    if (this.#length >= this.#end) this.#resolve(this.#received.subarray(this.#body, this.#end));
  }

  #readHead(): void {
    const at = this.#received.subarray(0, this.#length).indexOf(HEAD_END);
    if (at === -1) return;
    const head = this.#received.toString("latin1", 0, at);
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
    if (!head.startsWith("HTTP/1.1 200 ") || length === undefined) {
      this.#reject(new Error(`Not the expected answer:\n${head}`));
      return;
    }
    this.#body = at + HEAD_END.length;
    this.#end = this.#body + Number(length);
  }
}
