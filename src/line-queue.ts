/**
 * A queue of stored texts that knows its size in bytes. Texts leave at the front in amortised constant time.
 */
export class LineQueue {
  #texts: string[] = [];
  #head = 0;
  /** Bytes of all texts, as counted by whoever pushed them. */
  bytes = 0;

  get size(): number {
    return this.#texts.length - this.#head;
  }

  push(text: string): void {
    this.#texts.push(text);
    this.bytes += sizeOf(text);
  }

  /** The text at `position` from the front, or undefined. */
  at(position: number): string | undefined {
    return this.#texts[this.#head + position];
  }

  /** Puts `text` in the place of another. */
  replace(position: number, text: string): void {
    const at = this.#head + position;
    this.bytes += sizeOf(text) - sizeOf(this.#texts[at] ?? "");
    this.#texts[at] = text;
  }

  /** Removes and returns the front text; undefined when empty. */
  shift(): string | undefined {
    if (this.#head === this.#texts.length) return undefined;
    const text = this.#texts[this.#head] as string;
    this.#texts[this.#head] = "";
    this.#head += 1;
    this.bytes -= sizeOf(text);
    if (this.#head === this.#texts.length) {
      this.#texts = [];
      this.#head = 0;
    } else if (this.#head >= 1024 && this.#head * 2 >= this.#texts.length) {
      this.#texts = this.#texts.slice(this.#head);
      this.#head = 0;
    }
    return text;
  }

  clear(): void {
    this.#texts = [];
    this.#head = 0;
    this.bytes = 0;
  }
}

/**
 * What a text weighs. Its UTF-8 length is at most three times its UTF-16 length; a short text is weighed by the
 * latter, because counting exactly would cost as much as queueing it and the caps are about memory.
 */
export function sizeOf(text: string): number {
  return text.length;
}
