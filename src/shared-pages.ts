/** Pages that viewers who are behind read from the store: one read for all who are at the same place. */
import type { Lines } from "./shared-frames.js";

/** Pages that are remembered. */
const PAGES = 16;

interface Page {
  lines: Promise<Lines | null>;
  /** Bytes of its entries; 0 while it is read. */
  bytes: number;
  /** It was there when `age` was called last. */
  old: boolean;
}

/** The pages of a run that are being read, or were read a moment ago. */
export class SharedPages {
  readonly #pages = new Map<string, Page>();
  readonly #maxBytes: number;
  readonly #onKept: (bytes: number) => void;
  #bytes = 0;

  /** At most `maxBytes` of entries are kept; `onKept` is told by how much that grew or shrank. */
  constructor(maxBytes: number, onKept: (bytes: number) => void) {
    this.#maxBytes = maxBytes;
    this.#onKept = onKept;
  }

  /** The page called `key`; `read` is called if nobody asked for it lately. What failed or is null is not kept. */
  get(key: string, read: () => Promise<Lines | null>): Promise<Lines | null> {
    const known = this.#pages.get(key);
    if (known !== undefined) return known.lines;
    const page: Page = { lines: read(), bytes: 0, old: false };
    this.#pages.set(key, page);
    page.lines.then(
      (lines) => this.#arrived(key, page, lines),
      () => this.#arrived(key, page, null),
    );
    return page.lines;
  }

  /** Called once a second: forgets what was there at the last call already, but nothing that is still being read. */
  age(): void {
    for (const [key, page] of this.#pages) {
      if (page.old) this.#drop(key, page);
      else page.old = page.bytes > 0;
    }
  }

  /** Forgets every page. */
  clear(): void {
    for (const [key, page] of this.#pages) this.#drop(key, page);
  }

  #arrived(key: string, page: Page, lines: Lines | null): void {
    if (this.#pages.get(key) !== page) return;
    if (lines === null) {
      this.#drop(key, page);
      return;
    }
    page.bytes = lines.entries.reduce((sum, entry) => sum + entry.length, 0);
    this.#bytes += page.bytes;
    this.#onKept(page.bytes);
    for (const [oldest, other] of this.#pages) {
      if (this.#bytes <= this.#maxBytes && this.#pages.size <= PAGES) break;
      if (other.bytes > 0) this.#drop(oldest, other);
    }
  }

  #drop(key: string, page: Page): void {
    this.#pages.delete(key);
    this.#bytes -= page.bytes;
    if (page.bytes > 0) this.#onKept(-page.bytes);
  }
}
