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

  /** The size of the texts at positions `from` to `to`, without the latter. */
  bytesOf(from: number, to: number): number {
    let bytes = 0;
    for (let at = this.#head + from; at < this.#head + to; at++) bytes += sizeOf(this.#texts[at] as string);
    return bytes;
  }

  /**
   * The texts from `position` on, up to an empty one: at most `lines` of them, and none after the one with which they
   * reach `bytes`.
   */
  some(position: number, lines: number, bytes: number): string[] {
    const texts = this.#texts;
    const from = this.#head + position;
    const end = Math.min(texts.length, from + lines);
    let to = from;
    for (let sum = 0; to < end && sum < bytes && texts[to] !== ""; to++) sum += sizeOf(texts[to] as string);
    return texts.slice(from, to);
  }

  /** Removes the front text and returns it; undefined when empty. */
  shift(): string | undefined {
    const text = this.at(0);
    if (text !== undefined) this.drop(1);
    return text;
  }

  /** Removes `count` texts at the front; there must be so many. */
  drop(count: number): void {
    this.bytes -= this.bytesOf(0, count);
    this.#texts.fill("", this.#head, this.#head + count);
    this.#head += count;
    if (this.#head === this.#texts.length) {
      this.#texts = [];
      this.#head = 0;
    } else if (this.#head >= 1024 && this.#head * 2 >= this.#texts.length) {
      this.#texts = this.#texts.slice(this.#head);
      this.#head = 0;
    }
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
