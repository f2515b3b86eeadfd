/** Answers to polls that many viewers ask for at one moment. */

/** Which answers are worth remembering: what polls were held for. In UTF-16 units. */
const LONGEST = 65_536;
const MOST = 16;

/** Texts made from one view of a run, for all who ask the same. */
export class SharedAnswers {
  readonly #texts = new Map<string | number, string>();
  readonly #onKept: (bytes: number) => void;
  #bytes = 0;
  #closed = false;

  /** `onKept` is told by how much they grew or shrank. */
  constructor(onKept: (bytes: number) => void) {
    this.#onKept = onKept;
  }

  /** The text called `key`; undefined when it is not remembered. */
  get(key: string | number): string | undefined {
    return this.#texts.get(key);
  }

  /** Remembers a text, unless it is long or there are many. */
  keep(key: string | number, text: string): void {
    if (this.#closed || text.length > LONGEST || this.#texts.size >= MOST) return;
    this.#texts.set(key, text);
    this.#bytes += text.length;
    this.#onKept(text.length);
  }

  /** Forgets them. */
  clear(): void {
    const bytes = this.#bytes;
    this.#texts.clear();
    this.#bytes = 0;
    if (bytes > 0) this.#onKept(-bytes);
  }

  /** Forgets them and remembers no more: there is a newer view, and who still asks of this one is the last. */
  close(): void {
    this.#closed = true;
    this.clear();
  }
}
