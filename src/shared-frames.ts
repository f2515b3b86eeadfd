/** Pieces of the event streams of a run, encoded once for all viewers that are due the same. */
import { LIMITS } from "./protocol.js";
import type { RunView } from "./run-view.js";
import { frame, logFrames } from "./sse.js";

/** Consecutive entries as JSON texts, the last one before index `to`. */
export interface Lines {
  to: number;
  entries: readonly string[];
}

/** The same as frames. */
export interface Frames {
  to: number;
  bytes: Uint8Array;
}

/** What frames are made from: a feed. */
export interface FrameSource {
  readonly view: RunView | null;
  readonly unavailable: Error | null;
  readonly revision: number;
  lines(from: number, limit: number, maxBytes: number): Lines | Promise<Lines | null>;
}

/** A piece of a stream: small enough for a slow viewer to show progress, large enough to be worth a write. */
const PIECE_BYTES = 65_536;
/** Pieces that are remembered. */
const PIECES = 16;

/** A Buffer, because node:http would make one of any other bytes, for each viewer again. */
const encoded = (text: string): Uint8Array => Buffer.from(text);

/** The frames of one run: a piece of lines and a state are encoded when the first viewer is due them. */
export class SharedFrames {
  readonly #source: FrameSource;
  readonly #pieces = new Map<number, Frames>();
  /** Of pages that were read from the store: they live as long as these. */
  readonly #older = new WeakMap<Lines, Frames>();
  #state: { revision: number; id: string; bytes: Uint8Array } | null = null;

  constructor(source: FrameSource) {
    this.#source = source;
  }

  /** A piece of the entries from `from` on; null and rejections as of `lines` of the feed. */
  lines(from: number): Frames | Promise<Frames | null> {
    const known = this.#pieces.get(from);
    if (known !== undefined) return known;
    const epoch = this.#source.view?.epoch ?? "";
    const encode = ({ to, entries }: Lines): Frames => ({ to, bytes: encoded(logFrames(epoch, from, entries)) });
    const lines = this.#source.lines(from, LIMITS.pageDefault, PIECE_BYTES);
    if (lines instanceof Promise) return lines.then((older) => older && this.#encodeOlder(older, encode));
    const frames = encode(lines);
    if (this.#pieces.size >= PIECES) this.#pieces.clear();
    this.#pieces.set(from, frames);
    return frames;
  }

  /** The state as a `state` or `end` frame with `id`. Before the run was read, all of it is whether the store is there. */
  state(name: "state" | "end", id: string): Uint8Array {
    const { view, unavailable, revision } = this.#source;
    const key = `${name} ${id}`;
    if (this.#state === null || this.#state.revision !== revision || this.#state.id !== key) {
      const store = `"store":"${unavailable === null ? "ok" : "unavailable"}"}`;
      const data = view === null ? `{${store}` : `${view.state.slice(0, -1)},${store}`;
      this.#state = { revision, id: key, bytes: encoded(frame(name, id, data)) };
    }
    return this.#state.bytes;
  }

  #encodeOlder(lines: Lines, encode: (lines: Lines) => Frames): Frames {
    const frames = this.#older.get(lines) ?? encode(lines);
    this.#older.set(lines, frames);
    return frames;
  }

  /** Forgets the lines. */
  clear(): void {
    this.#pieces.clear();
  }
}
