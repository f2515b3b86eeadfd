/** What the HTTP suites ask with: paths that nobody tidies up, event streams that can be paused and cut. */
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";

export interface AskOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  /** Default: a connection of its own, closed after the answer. */
  agent?: Agent;
  signal?: AbortSignal;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** The body as JSON. */
  json<T = Record<string, unknown>>(): T;
}

/** Sends one request to `base` + `path`, byte for byte as written, and resolves with the whole answer. */
export async function ask(base: string, path: string, options: AskOptions = {}): Promise<Answer> {
  const message = await send(base, path, options);
  let text = "";
  message.setEncoding("utf8");
  for await (const chunk of message) text += chunk;
  return { status: message.statusCode ?? 0, headers: message.headers, text, json: () => JSON.parse(text) };
}

/** One frame of an event stream. */
export interface Frame {
  event: string;
  id: string | null;
  data: Record<string, unknown>;
}

export interface EventStream {
  status: number;
  headers: IncomingHttpHeaders;
  /** The next frame; null when the server has ended the stream. Rejects when it was cut. */
  next(): Promise<Frame | null>;
  /** The frames up to the first that `last` accepts, or up to the end of the stream. */
  until(last: (frame: Frame) => boolean): Promise<Frame[]>;
  /** Every frame up to the end of the stream. */
  rest(): Promise<Frame[]>;
  /** How many bytes of the body were read so far. */
  bytesRead(): number;
  /** Vanishes: cuts the connection. */
  vanish(): void;
}

/** Opens an event stream and resolves when its headers are there. It reads only as frames are asked for. */
export async function openStream(base: string, path: string, options: AskOptions = {}): Promise<EventStream> {
  const message = await send(base, path, options);
  message.setEncoding("utf8");
  const chunks = message[Symbol.asyncIterator]() as AsyncIterator<string>;
  let text = "";
  let bytes = 0;
  const next = async (): Promise<Frame | null> => {
    for (;;) {
      const end = text.indexOf("\n\n");
      if (end !== -1) {
        const frame = parseFrame(text.slice(0, end));
        text = text.slice(end + 2);
        if (frame !== null) return frame;
        continue;
      }
      const chunk = await chunks.next();
      if (chunk.done === true) return null;
      bytes += Buffer.byteLength(chunk.value);
      text += chunk.value;
    }
  };
  const until = async (last: (frame: Frame) => boolean): Promise<Frame[]> => {
    const frames: Frame[] = [];
    for (let frame = await next(); frame !== null; frame = await next()) {
      frames.push(frame);
      if (last(frame)) break;
    }
    return frames;
  };
  return {
    status: message.statusCode ?? 0,
    headers: message.headers,
    next,
    until,
    rest: () => until(() => false),
    bytesRead: () => bytes,
    vanish: () => void message.destroy(),
  };
}

/** A promise and what settles it. */
export function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

function parseFrame(text: string): Frame | null {
  let event = "message";
  let id: string | null = null;
  let data: string | null = null;
  for (const line of text.split("\n")) {
    const value = line.slice(line.indexOf(":") + 1).replace(/^ /, "");
    if (line.startsWith("event:")) event = value;
    else if (line.startsWith("id:")) id = value;
    else if (line.startsWith("data:")) data = data === null ? value : `${data}\n${value}`;
  }
  return data === null ? null : { event, id, data: JSON.parse(data) };
}

function send(base: string, path: string, options: AskOptions): Promise<IncomingMessage> {
  const { hostname, port, pathname } = new URL(base);
  const { method = "GET", body, agent = new Agent({ keepAlive: false }), signal } = options;
  // Without a length the body of a DELETE would stand for the next request.
  const length: Record<string, string> = body === undefined ? {} : { "Content-Length": `${Buffer.byteLength(body)}` };
  const headers = { ...length, ...options.headers };
  return new Promise((resolve, reject) => {
    const req = request(
      {
        hostname,
        port,
        path: `${pathname.replace(/\/$/, "")}${path}`,
        method,
        headers,
        agent,
        ...(signal && { signal }),
      },
      resolve,
    );
    req.on("error", reject);
    req.end(body);
  });
}
