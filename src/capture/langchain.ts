/**
 * What LangChain.js asks of models → calls of the run that they are made in.
 *
 * Everywhere: `captureLangchain(CallbackManager)`. For one model or one chain: `callbacks: [livetailCallbacks()]`.
 */
import { currentRun } from "../context.js";
import { type LlmCallInfo, type LlmOutcome, type OpenLlmCall, openLlmCall } from "../llm-call.js";
import { usageOf } from "../llm-usage.js";
import { boundedMap } from "./bounded-map.js";
import { fieldsIn, textIn } from "./fields-in.js";

/** What a capture of LangChain takes. */
export interface LangchainOptions {
  /** Who is counted as having answered. Default `langchain`; the provider's own name stands in the line as `provider`. */
  backend?: string;
}

/** A callback handler of LangChain, as `callbacks` takes one. None of its methods throws or waits. */
export interface LangchainCallbacks {
  /** Tells it from other handlers. */
  readonly name: string;
  /** LangChain calls it in place: a queue of its own would not know the current run. */
  readonly awaitHandlers: true;
  /** What goes wrong here reaches no chain. */
  readonly raiseError: false;
  /** It wants to hear of models. */
  readonly ignoreLLM: false;
  /** It wants to hear of chains: fallbacks are some. */
  readonly ignoreChain: false;
  /** It does not want to hear of agents. */
  readonly ignoreAgent: true;
  /** It does not want to hear of retrievers. */
  readonly ignoreRetriever: true;
  /** It does not want to hear of events of the user's. */
  readonly ignoreCustomEvent: true;
  /** It is the same in every chain. */
  copy(): LangchainCallbacks;
  /** A call of a chat model begins. */
  handleChatModelStart(...told: ModelStart): void;
  /** A call of another model begins. */
  handleLLMStart(...told: ModelStart): void;
  /** A call was answered. */
  handleLLMEnd(output: unknown, runId: string, parentRunId?: string, tags?: string[], extra?: object): void;
  /** A call failed. */
  handleLLMError(error: unknown, runId: string): void;
  /** A chain begins. */
  handleChainStart(chain: unknown, inputs: unknown, runId: string, parentRunId?: string): void;
  /** A chain ends. */
  handleChainEnd(outputs: unknown, runId: string): void;
  /** A chain fails. */
  handleChainError(error: unknown, runId: string): void;
}

type ModelStart = [
  model: unknown,
  input: unknown,
  runId: string,
  parentRunId?: string,
  extra?: object,
  tags?: string[],
  metadata?: object,
  runName?: string,
];

/** What this file needs of LangChain's class of that name. */
export interface CallbackManagerClass {
  /** What LangChain calls to find the callbacks of a run. */
  _configureSync(...args: never[]): unknown;
}

/** A callback manager, as `_configureSync` makes one for each thing that runs. */
interface Manager {
  handlers: readonly { name?: unknown }[];
  addHandler(handler: LangchainCallbacks, inherit: boolean): void;
}

const NAME = "livetail";

/**
 * Captures every model, chain and agent from now on, and returns what undoes it. Takes the `CallbackManager` of
 * `@langchain/core/callbacks/manager`, because that package can be in a process more than once. Outside of a run
 * LangChain is left as it is. Throws a TypeError for what is no `CallbackManager`.
 */
export function captureLangchain(CallbackManager: CallbackManagerClass, options: LangchainOptions = {}): () => void {
  const manager = CallbackManager as unknown as {
    new (): Manager;
    _configureSync(...args: unknown[]): Manager | undefined;
  };
  const original = manager._configureSync;
  if (typeof original !== "function") {
    throw new TypeError("captureLangchain takes the CallbackManager of @langchain/core/callbacks/manager.");
  }
  const callbacks = livetailCallbacks(options);
  // LangChain's own `registerConfigureHook` reaches only what descends from the place where it was called.
  const capturing = function (this: typeof manager, ...args: unknown[]): Manager | undefined {
    const configured = original.apply(this, args);
    if (currentRun() === undefined) return configured;
    const made = configured ?? new manager();
    if (!made.handlers.some(({ name }) => name === NAME)) made.addHandler(callbacks, true);
    return made;
  };
  manager._configureSync = capturing;
  return () => {
    // Whoever captured it after us goes on calling us.
    if (manager._configureSync === capturing) manager._configureSync = original;
  };
}

/** A call of a model that LangChain runs. */
interface Running {
  call: OpenLlmCall;
  backend: string;
  place: Place | undefined;
  /** Listens no more for an abort. */
  leave: () => void;
}

/** Where something runs below a `RunnableWithFallbacks`. */
interface Place {
  /** What its alternatives share: the call that failed last. */
  group: { failed?: { alternative: string; backend: string } | undefined };
  /** The alternative that it belongs to, by the id of its outermost part; undefined for the group itself. */
  alternative?: string;
}

/** More than run at once: what a stream that nobody read to its end leaves behind goes. */
const MOST_RUNNING = 10_000;

const KEY = Symbol.for("livetail.langchain");

// On globalThis: a model may have callbacks of both copies of this package, and counts once.
const shared = globalThis as { [KEY]?: { running: Map<string, Running>; places: Map<string, Place> } };
shared[KEY] ??= { running: boundedMap(MOST_RUNNING), places: boundedMap(MOST_RUNNING) };
const { running, places } = shared[KEY];

/** Creates a callback handler: `new ChatOpenAI({ callbacks: [livetailCallbacks()] })`, or in the options of a call. */
export function livetailCallbacks({ backend = "langchain" }: LangchainOptions = {}): LangchainCallbacks {
  const start = (...[, , runId, parentRunId, extra, , metadata, runName]: ModelStart): void => {
    const run = currentRun();
    if (run === undefined || running.has(runId)) return;
    const above = parentRunId === undefined ? undefined : places.get(parentRunId);
    const place = above && { ...above, alternative: above.alternative ?? runId };
    const info = infoOf(backend, extra, metadata, runName);
    const failed = place?.group.failed;
    if (place !== undefined && failed !== undefined && failed.alternative !== place.alternative) {
      info.fallbackOf = failed.backend;
      place.group.failed = undefined;
    }
    running.set(runId, {
      call: openLlmCall(info, run),
      backend,
      place,
      leave: onAbort(extra, (why) => fail(why, runId)),
    });
  };
  const end = (runId: string): Running | undefined => {
    const found = running.get(runId);
    running.delete(runId);
    found?.leave();
    return found;
  };
  const fail = (error: unknown, runId: string): void => {
    const found = end(runId);
    found?.call.fail(error);
    const { group, alternative } = found?.place ?? {};
    if (group !== undefined && alternative !== undefined) {
      group.failed = { alternative, backend: found?.backend ?? backend };
    }
  };
  const leave = (_: unknown, runId: string): void => {
    places.delete(runId);
  };
  const callbacks: LangchainCallbacks = {
    name: NAME,
    awaitHandlers: true,
    raiseError: false,
    ignoreLLM: false,
    ignoreChain: false,
    ignoreAgent: true,
    ignoreRetriever: true,
    ignoreCustomEvent: true,
    copy: () => callbacks,
    handleChatModelStart: start,
    handleLLMStart: start,
    handleLLMEnd(output, runId, _parent, _tags, extra) {
      end(runId)?.call.complete(fieldsIn(extra).cached === true ? FROM_CACHE : outcomeOf(output));
    },
    handleLLMError: fail,
    handleChainStart(chain, _inputs, runId, parentRunId) {
      if (currentRun() === undefined) return;
      const above = parentRunId === undefined ? undefined : places.get(parentRunId);
      if (isFallbacks(chain)) places.set(runId, { group: {} });
      else if (above !== undefined) places.set(runId, { ...above, alternative: above.alternative ?? runId });
    },
    handleChainEnd: leave,
    handleChainError: leave,
  };
  return callbacks;
}

/** Calls `aborted` when the signal of a call aborts: LangChain does not tell of a stream that does so on Node 20. */
function onAbort(extra: unknown, aborted: (why: unknown) => void): () => void {
  const { signal } = fieldsIn(fieldsIn(extra).options);
  if (!(signal instanceof AbortSignal)) return () => {};
  const listen = (): void => aborted(signal.reason);
  signal.addEventListener("abort", listen, { once: true });
  return () => signal.removeEventListener("abort", listen);
}

/** LangChain's cache answered: nobody was asked, and nothing was paid. */
const FROM_CACHE: LlmOutcome = { costUsd: 0, costSource: "local", cached: true };

function infoOf(backend: string, extra: unknown, metadata: unknown, runName: unknown): LlmCallInfo {
  const info: LlmCallInfo = { backend };
  const model = textIn(metadata, "ls_model_name") ?? textIn(fieldsIn(extra).invocation_params, "model");
  if (model !== undefined) info.model = model;
  const provider = textIn(metadata, "ls_provider");
  if (provider !== undefined) info.provider = provider;
  const step = typeof runName === "string" && runName !== "" ? runName : textIn(metadata, "langgraph_node");
  if (step !== undefined) info.step = step;
  return info;
}

function isFallbacks(chain: unknown): boolean {
  const { id } = fieldsIn(chain);
  return Array.isArray(id) && id.at(-1) === "RunnableWithFallbacks";
}

/** What an `LLMResult` says. All its messages share one usage; LangChain's own estimates are none. */
function outcomeOf(output: unknown): LlmOutcome {
  const { generations, llmOutput } = fieldsIn(output);
  const first = Array.isArray(generations) && Array.isArray(generations[0]) ? generations[0][0] : undefined;
  const { message } = fieldsIn(first);
  const answer = usageOf(message);
  if (answer.usage === undefined) {
    const { promptTokens, completionTokens } = fieldsIn(fieldsIn(llmOutput).tokenUsage);
    Object.assign(answer, usageOf({ usage: { inputTokens: promptTokens, outputTokens: completionTokens } }));
  }
  if (answer.model !== undefined) answer.model = once(answer.model);
  // Where the provider said nothing, some models of LangChain say 0.
  if (!answer.usage?.inputTokens && !answer.usage?.outputTokens) delete answer.usage;
  // OpenRouter's cost is in the provider's usage, which LangChain keeps beside its own.
  const { costUsd } = usageOf({ usage: fieldsIn(fieldsIn(message).response_metadata).usage });
  return costUsd === undefined ? { ...answer } : { ...answer, costUsd, costSource: "provider" };
}

/** What LangChain made of the parts of a stream: a name that several of them tell stands there as often. */
function once(name: string): string {
  return name.slice(0, MAX_NAME).replace(/^(.+?)\1+$/, "$1");
}

const MAX_NAME = 256;
