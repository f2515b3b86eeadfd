/** Answers to polls that many viewers ask for: those who wait for news, and those who come late. */

/** How many are remembered. */
const MOST = 64;

/** Encoded answers made from one view of a run, for all who ask the same. */
export class SharedAnswers {
  /** null until there is one: most views are only streamed. */
  #answers: Map<string | number, Buffer> | null = null;
  readonly #maxBytes: number;
  readonly #onKept: (bytes: number) => void;
  #bytes = 0;
  #closed = false;

  /** At most `maxBytes` of them are kept; `onKept` is told by how much they grew or shrank. */
  constructor(maxBytes: number, onKept: (bytes: number) => void) {
    this.#maxBytes = maxBytes;
    this.#onKept = onKept;
  }

  /** The answer called `key`; undefined when it is not remembered. */
  get(key: string | number): Buffer | undefined {
    return this.#answers?.get(key);
  }

  /** Remembers an answer, which is not remembered yet, instead of the oldest ones, and returns it. */
  keep(key: string | number, answer: Buffer): Buffer {
    if (this.#closed || answer.length > this.#maxBytes) return answer;
    this.#answers ??= new Map();
    for (const [oldest, { length }] of this.#answers) {
      if (this.#bytes + answer.length <= this.#maxBytes && this.#answers.size < MOST) break;
      this.#answers.delete(oldest);
      this.#grow(-length);
    }
    this.#answers.set(key, answer);
    this.#grow(answer.length);
    return answer;
  }

  /** Forgets them. */
  clear(): void {
    this.#answers = null;
    if (this.#bytes > 0) this.#grow(-this.#bytes);
  }

  /** Forgets them and remembers no more: there is a newer view, and who still asks of this one is the last. */
  close(): void {
    this.#closed = true;
    this.clear();
  }

  #grow(bytes: number): void {
    this.#bytes += bytes;
    this.#onKept(bytes);
  }
}
