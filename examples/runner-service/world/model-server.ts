/**
 * The server of models: it speaks the wires of OpenAI and Anthropic, takes the time that models take, is overloaded at
 * times, and keeps a ledger of what it answered, as a provider does for its bill.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { answerTo, BadPrompt } from "./answers.js";
import { anthropicWire } from "./anthropic-wire.js";
import { openaiWire } from "./openai-wire.js";
import type { Prompt, Usage, Wire } from "./wire.js";

/** A call as the provider would bill it. */
export interface ModelCall {
  provider: "openai" | "anthropic";
  /** The model that answered, by its full name; the one that was asked for where none did, "" for none. */
  model: string;
  /** Of the answer; 499 for a caller who left before its end. */
  status: number;
  /** 0 unless the status is 200, as is `output_tokens`. */
  input_tokens: number;
  output_tokens: number;
}

/** The models of a world. */
export interface ModelServer {
  handle(req: IncomingMessage, res: ServerResponse): Promise<void>;
  /** Every call with this key that was answered so far, in the order of the requests. */
  calls(apiKey: string): ModelCall[];
}

const NO_TOKENS: Usage = { input_tokens: 0, output_tokens: 0 };
const CHARACTERS_PER_TOKEN = 4;
const THINKING_MS = 300;
const MS_PER_TOKEN = 20;
/** What a stream sends at once; the last one takes the blanks at the end along. */
const FEW_WORDS = /(?:\s*\S+){1,4}(?:\s+$)?/g;
/** The status of a call that is not answered yet. */
const OPEN = 0;

class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** `wait` is given how long something takes at speed 1, in milliseconds. */
export function modelServer(wait: (ms: number) => Promise<void>): ModelServer {
  const ledger: [key: string, call: ModelCall][] = [];
  let answered = 0;

  async function serve(wire: Wire, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const key = wire.keyOf((name) => req.headers[name]?.toString());
    const call: ModelCall = { provider: wire.provider, model: "", status: OPEN, ...NO_TOKENS };
    ledger.push([key ?? "", call]);
    res.once("close", () => {
      if (!res.writableFinished) Object.assign(call, { status: 499, ...NO_TOKENS });
    });
    try {
      const body = await bodyOf(req);
      if (key === undefined || key === "") throw new Refusal(401, "There is no API key.");
      const prompt = wire.read(body);
      if (prompt === null) throw new Refusal(400, "The body is not understood.");
      call.model = prompt.model;
      const model = wire.models[prompt.model];
      if (model === undefined) throw new Refusal(404, `There is no model "${prompt.model}".`);
      await wait(THINKING_MS);
      const text = textFor(wire, prompt);
      const usage = { input_tokens: tokensOf(prompt.system + prompt.user), output_tokens: tokensOf(text) };
      const end = await answer(wire, prompt, { id: String(++answered).padStart(8, "0"), model, text, usage }, res);
      if (res.destroyed) return;
      // Before the caller has the last byte: whoever has the answer finds it in the ledger.
      Object.assign(call, { model, status: 200, ...usage });
      res.end(end);
    } catch (error) {
      const status = error instanceof Refusal ? error.status : error instanceof BadPrompt ? 400 : 500;
      call.status = status;
      respond(res, status, wire.error(status, error instanceof Error ? error.message : String(error)));
    }
  }

  /** Sends an answer but for its end, which it resolves to. */
  async function answer(wire: Wire, prompt: Prompt, reply: Reply, res: ServerResponse): Promise<string> {
    const { id, model, text, usage } = reply;
    if (!prompt.stream) {
      await wait(usage.output_tokens * MS_PER_TOKEN);
      res.setHeader("Content-Type", "application/json");
      return JSON.stringify(wire.answer(id, model, text, usage));
    }
    res.setHeader("Content-Type", "text/event-stream; charset=utf-8");
    res.write(wire.opening(id, model, usage));
    for (const piece of text.match(FEW_WORDS) ?? []) {
      await wait(tokensOf(piece) * MS_PER_TOKEN);
      if (res.destroyed) break;
      res.write(wire.piece(id, model, piece));
    }
    return wire.closing(id, model, usage, prompt.usageAsked);
  }

  const calls = (apiKey: string): ModelCall[] =>
    ledger.flatMap(([key, call]) => (key === apiKey && call.status !== OPEN ? [{ ...call }] : []));
  return {
    calls,
    async handle(req, res) {
      const url = new URL(req.url ?? "/", "http://models");
      const wire = [openaiWire, anthropicWire].find(({ path }) => path === url.pathname);
      if (wire !== undefined && req.method === "POST") await serve(wire, req, res);
      else if (url.pathname === "/calls") respond(res, 200, calls(url.searchParams.get("key") ?? ""));
      else respond(res, 404, { error: { message: `There is nothing at ${url.pathname}.` } });
    },
  };
}

interface Reply {
  id: string;
  model: string;
  text: string;
  usage: Usage;
}

/** What the model says. Anthropic has no capacity for letters to recruiters, and none for a second review. */
function textFor({ provider }: Wire, { system, user }: Prompt): string {
  const name = /\bTask: (\w+)/.exec(system)?.[1] ?? "";
  const material = parsed(user);
  const { kind, attempt } = Object(material) as { kind?: unknown; attempt?: unknown };
  const isBusy = (name === "outreach" && kind === "recruiter") || (name === "review" && Number(attempt) >= 2);
  if (provider === "anthropic" && isBusy) throw new Refusal(529, "Overloaded");
  return answerTo(name, material);
}

function tokensOf(text: string): number {
  return Math.ceil(text.length / CHARACTERS_PER_TOKEN);
}

async function bodyOf(req: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of req) chunks.push(chunk);
  return parsed(Buffer.concat(chunks).toString());
}

/** Null for what is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function respond(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}
