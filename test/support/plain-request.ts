/** Requests as plain values, and a viewer's connection that a test holds in its hand. */
import type { HandlerRequest, LiveBody, ViewerSink } from "../../src/exchange.js";

export interface RequestParts {
  method?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  mount?: string;
  raw?: unknown;
}

/** A request for `target`: a path below the mount with its query. */
export function request(target: string, parts: RequestParts = {}): HandlerRequest {
  const mark = target.indexOf("?");
  const headers = new Map(Object.entries(parts.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  return {
    method: parts.method ?? "GET",
    path: mark === -1 ? target : target.slice(0, mark),
    query: mark === -1 ? "" : target.slice(mark + 1),
    url: `${parts.mount ?? "/operations"}${target}`,
    header: (name) => headers.get(name),
    signal: parts.signal ?? new AbortController().signal,
    raw: parts.raw ?? null,
    mount: parts.mount ?? "/operations",
  };
}

export interface SeenFrame {
  event: string;
  id: string | null;
  data: Record<string, unknown>;
}

/** A viewer that takes everything at once, or nothing while it is paused. */
export class TestViewer implements ViewerSink {
  readonly chunks: (string | Uint8Array)[] = [];
  ended = false;
  destroyed = false;
  pendingBytes = 0;
  #paused: boolean;
  #drained = true;
  readonly #viewer: ReturnType<LiveBody["attach"]>;

  constructor(body: LiveBody, paused = false) {
    this.#paused = paused;
    this.#viewer = body.attach(this);
  }

  write(chunk: string | Uint8Array): boolean {
    if (this.ended || this.destroyed) throw new Error("written after the end");
    this.chunks.push(chunk);
    if (!this.#paused) return true;
    this.pendingBytes += typeof chunk === "string" ? Buffer.byteLength(chunk) : chunk.byteLength;
    this.#drained = false;
    return false;
  }

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    this.destroyed = true;
  }

  /** Takes nothing any more. */
  pause(): void {
    this.#paused = true;
  }

  /** Takes `bytes` of what is pending, without being drained. */
  sip(bytes: number): void {
    this.pendingBytes -= bytes;
  }

  /** Takes what is pending, and one more write. */
  drain(): void {
    this.pendingBytes = 0;
    if (this.#drained) return;
    this.#drained = true;
    this.#viewer.onDrain();
  }

  /** Takes everything again. */
  resume(): void {
    this.#paused = false;
    this.drain();
  }

  /** Is gone. */
  vanish(): void {
    this.#viewer.onClose();
  }

  get text(): string {
    return this.chunks.map((chunk) => (typeof chunk === "string" ? chunk : Buffer.from(chunk).toString())).join("");
  }

  /** The frames so far. */
  get frames(): SeenFrame[] {
    return this.text.split("\n\n").flatMap((block) => {
      const fields = new Map(
        block.split("\n").map((line) => [line.split(": ")[0], line.slice(line.indexOf(": ") + 2)]),
      );
      const data = fields.get("data");
      if (data === undefined) return [];
      return [{ event: fields.get("event") ?? "message", id: fields.get("id") ?? null, data: JSON.parse(data) }];
    });
  }

  /** The frames of one name so far. */
  named(event: string): SeenFrame[] {
    return this.frames.filter((frame) => frame.event === event);
  }

  /** The indexes of the lines so far. */
  get indexes(): number[] {
    return this.named("log").map(({ data }) => data.index as number);
  }
}
