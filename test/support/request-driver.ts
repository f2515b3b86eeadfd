/** Sends fuzzed requests to a real server: in pipelines, or one per connection where that may break. */
import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Handler } from "../../src/handler.js";
import { connectRaw, type RawAnswer, type RawConnection } from "./raw-http.js";
import type { FuzzedRequest } from "./request-grammar.js";
import type { SeenAnswer } from "./request-verdict.js";

const DEADLINE_MS = 30_000;
const QUIET_MS = 2;

/** Where requests go, and who hears of what became of them. */
export interface DriverOptions {
  server: Server;
  handler: Handler;
  onAnswer(request: FuzzedRequest, answer: SeenAnswer): void;
  /** The connection was closed without an answer. */
  onCut(request: FuzzedRequest): void;
  /** It was held until its viewer left. */
  onHeld(request: FuzzedRequest): void;
}

/**
 * Sends requests down one connection at once, and goes on with the rest on another one when the server said that an
 * answer was the last. Rejects when one stays without an answer.
 */
export async function sendPipelined(options: DriverOptions, requests: readonly FuzzedRequest[]): Promise<void> {
  const { port } = options.server.address() as AddressInfo;
  for (let left = requests; left.length > 0; ) {
    const sent = left;
    let tell = (): void => {};
    const news = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const connection = await connectRaw(
      port,
      (at) => sent[at]?.method ?? "",
      () => isOver(connection, sent.length) && tell(),
    );
    connection.write(Buffer.concat(sent.map(({ bytes }) => bytes)));
    const { complete } = connection.reader;
    await within(news, () => `no answer to ${shown(sent[connection.reader.complete] ?? sent[complete])}`);
    connection.destroy();
    const { answers } = connection.reader;
    const answered = connection.reader.complete;
    for (const [at, answer] of answers.slice(0, answered).entries()) {
      options.onAnswer(sent[at] as FuzzedRequest, seen(answer));
    }
    left = sent.slice(answered);
    const wasLast = answers[answered - 1]?.headers.get("connection") === "close";
    if (connection.fault !== null) throw new Error(`${connection.fault.message} to ${shown(sent[answered - 1])}`);
    if (left.length > 0 && !wasLast) throw new Error(`the connection was cut before ${shown(left[0])}`);
  }
}

const isOver = ({ closed, fault, reader }: RawConnection, count: number): boolean =>
  closed || fault !== null || reader.complete === count;

interface Caller {
  request: FuzzedRequest;
  connection: RawConnection;
}

/**
 * Sends each request on a connection of its own, waits until each is answered, cut, or one of the handler's viewers,
 * and leaves. `wake` is called when polls are held, and returns those that will be answered by it. Rejects when a
 * request has neither an answer nor a viewer, or leaves a viewer behind.
 */
export async function sendApart(
  options: DriverOptions,
  requests: readonly FuzzedRequest[],
  wake: (held: readonly FuzzedRequest[]) => readonly FuzzedRequest[],
): Promise<void> {
  const { server, handler } = options;
  const heard = new Map<number, number>();
  const listen = ({ socket: { remotePort = 0 } }: IncomingMessage): void => {
    heard.set(remotePort, (heard.get(remotePort) ?? 0) + 1);
  };
  server.prependListener("request", listen);
  const { port } = server.address() as AddressInfo;
  const callers = await Promise.all(
    requests.map(async (request): Promise<Caller> => {
      const connection = await connectRaw(port, () => request.method);
      connection.write(request.bytes);
      return { request, connection };
    }),
  );
  const wave = new Wave(handler, callers, (caller) => heard.get(caller.connection.port) ?? 0);
  await wave.settle();
  const held = wave.open.filter(({ connection }) => connection.reader.answers.length === 0);
  const woken = new Set(wake(held.map(({ request }) => request)));
  await until(
    () => !wave.open.some(({ request }) => woken.has(request)),
    () => `held in spite of news: ${wave.open.map(({ request }) => shown(request))}`,
  );
  await wave.settle();
  server.off("request", listen);
  for (const { request, connection } of callers) {
    const { answers } = connection.reader;
    if (connection.fault !== null) throw new Error(`${connection.fault.message} to ${shown(request)}`);
    // Only damaged bytes may be more than one request.
    const counted = request.said === null ? answers : answers.slice(0, 1);
    for (const answer of counted) options.onAnswer(request, seen(answer));
    if (answers.length === 0) connection.closed ? options.onCut(request) : options.onHeld(request);
    connection.destroy();
  }
  await until(
    () => handler.viewers() === 0,
    () => `${handler.viewers()} viewers are left by ${callers.map(({ request }) => shown(request))}`,
  );
}

/** Requests that were sent at the same time, each on its own connection. */
class Wave {
  readonly #handler: Handler;
  readonly #callers: readonly Caller[];
  readonly #heard: (caller: Caller) => number;

  /** `heard` tells how many requests the server has heard on a connection. */
  constructor(handler: Handler, callers: readonly Caller[], heard: (caller: Caller) => number) {
    this.#handler = handler;
    this.#callers = callers;
    this.#heard = heard;
  }

  /** Those without a whole answer. */
  get open(): Caller[] {
    return this.#callers.filter((caller) => {
      const { closed, fault, reader } = caller.connection;
      return !closed && fault === null && (reader.complete === 0 || this.#heard(caller) > reader.complete);
    });
  }

  /** Waits until whoever has no answer yet is a viewer. */
  async settle(): Promise<void> {
    // Whoever was a viewer may have been just about to leave.
    await this.#calm();
    await this.#calm();
    const halves = this.open.filter((caller) => this.#heard(caller) === 0);
    // What is no whole request is seen as such when no more will come.
    for (const { connection } of halves) connection.endWriting();
    await until(
      () => halves.every(({ connection }) => connection.closed),
      () => `neither refused nor cut: ${halves.map(({ request }) => shown(request))}`,
    );
  }

  async #calm(): Promise<void> {
    await until(
      () => this.#isSettled(),
      () => `${this.#handler.viewers()} viewers, without an answer: ${this.open.map(({ request }) => shown(request))}`,
    );
    await delay(QUIET_MS);
  }

  #isSettled(): boolean {
    const heard = this.open.filter((caller) => this.#heard(caller) > 0 || !caller.request.strange);
    const areViewers = heard.every((caller) => caller.request.mayStay && hasHello(caller));
    return areViewers && this.#handler.viewers() === heard.length;
  }
}

/** Whether a stream has begun; true of what is none. */
function hasHello(caller: Caller): boolean {
  const answer = caller.connection.reader.answers.at(-1);
  return answer === undefined || answer.complete || answer.body.includes("event: hello\n");
}

/** The answer as verdicts want it. */
function seen({ status, headers, body }: RawAnswer): SeenAnswer {
  return { status, header: (name) => headers.get(name), names: headers.keys(), text: body.toString() };
}

/** A request as a person reads it. */
export function shown(request: FuzzedRequest | undefined): string {
  const text = request?.bytes.toString("latin1").replace(/(.)\1{40,}/g, (run) => `${run.slice(0, 4)}…(${run.length})`);
  return JSON.stringify(text?.slice(0, 2000));
}

/** Waits for a condition. */
export async function until(isTrue: () => boolean, what: () => string): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(what());
    await delay(1);
  }
}

async function within(work: Promise<void>, what: () => string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(what())), DEADLINE_MS);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}
