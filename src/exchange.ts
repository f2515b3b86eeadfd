/** What goes in and out of the handler: plain values, no object of any framework. */

/** A request as plain values. */
export interface HandlerRequest {
  method: string;
  /** Path below the mount, undecoded, beginning with `/`, without the query. */
  path: string;
  /** What follows `?`, "" for none. */
  query: string;
  /** The URL as it came, for `authorize`. */
  url: string;
  /** A header's value by lower-case name. */
  header(name: string): string | undefined;
  /** Aborts when the viewer is gone. May be made on first use. */
  readonly signal: AbortSignal;
  /** The framework's own request object, for `authorize`. */
  raw: unknown;
  /** The path of the mount as the viewer sees it, without a trailing slash, for links in pages. */
  mount: string;
}

/** Where a live body writes to: one viewer's connection. */
export interface ViewerSink {
  /** False: the viewer is behind; write no more until `onDrain` is called. */
  write(chunk: string | Uint8Array): boolean;
  /** Bytes written and not yet taken by the viewer's connection. */
  readonly pendingBytes: number;
  /** Ends the body properly. */
  end(): void;
  /** Cuts the connection. */
  destroy(): void;
}

/** A body that a viewer is attached to: an event stream. */
export interface LiveBody {
  /** Begins to write; called once. Returns what the face calls when the connection drained or is gone. */
  attach(sink: ViewerSink): { onDrain(): void; onClose(): void };
}

/** An answer as plain values; text and bytes are whole, a live body is one that a viewer is attached to. */
export interface HandlerResponse {
  status: number;
  headers: Record<string, string>;
  body: string | Uint8Array | LiveBody | null;
}

/** What a live body returns to a viewer that it does not take. */
export const NO_VIEWER: ReturnType<LiveBody["attach"]> = { onDrain() {}, onClose() {} };

/** Whether a body is one that a viewer is attached to. */
export function isLiveBody(body: HandlerResponse["body"]): body is LiveBody {
  return typeof body === "object" && body !== null && "attach" in body;
}
