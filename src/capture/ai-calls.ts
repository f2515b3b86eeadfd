/**
 * The calls of the AI SDK that are under way. Two may tell of the same one: the SDK's telemetry, which knows that a
 * step begins, and the middleware around the model, which knows how each attempt ends and so takes the call over.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { type CurrentRun, currentRun } from "../context.js";
import { type LlmCallInfo, type OpenLlmCall, openLlmCall } from "../llm-call.js";

/** A model of the AI SDK, by its names. */
export interface AiModel {
  readonly provider: string;
  readonly modelId: string;
}

/** A call that the telemetry told of. */
export interface ToldCall {
  readonly call: OpenLlmCall;
  readonly model: AiModel;
  /** Whether it has ended, or the middleware tells how it ends. */
  taken: boolean;
}

/** A call that is kept until its end is told by name. */
interface Kept {
  key: string;
  told: ToldCall;
}

/** More than are under way in a run at once: what never ends, because the SDK does not tell of it, goes. */
const MOST_KEPT = 1000;

const KEY = Symbol.for("livetail.ai.calls");

// On globalThis, because the ESM and the CJS copy of this package can meet in one process.
const shared = globalThis as {
  [KEY]?: { within: AsyncLocalStorage<ToldCall | undefined>; told: WeakMap<CurrentRun, Kept[]> };
};
shared[KEY] ??= { within: new AsyncLocalStorage(), told: new WeakMap() };
const { within, told } = shared[KEY];

/** What is known of a call of a model when it begins. `backend` is the provider's name up to its first dot. */
export function callInfo(model: AiModel, options: { backend?: string; step?: unknown } = {}): LlmCallInfo {
  const provider = String(model.provider).split(".", 1)[0] ?? "";
  const info: LlmCallInfo = { backend: options.backend ?? provider, model: model.modelId };
  if (options.backend !== undefined) info.provider = provider;
  if (typeof options.step === "string" && options.step !== "") info.step = options.step;
  return info;
}

/** Opens a call of the current run that the telemetry tells of; undefined outside of a run. */
export function beginTold(model: AiModel, step: unknown): ToldCall | undefined {
  const run = currentRun();
  return run && { call: openLlmCall(callInfo(model, { step }), run), model, taken: false };
}

/** Keeps a call of the current run until its end is told under a name. */
export function keepTold(key: string, begun: ToldCall): void {
  const run = currentRun();
  if (run === undefined) return;
  const kept = told.get(run) ?? [];
  if (kept.length === 0) told.set(run, kept);
  kept.push({ key, told: begun });
  if (kept.length > MOST_KEPT) kept.shift();
}

/** The newest call of the current run under a name, which is kept no longer. */
export function endTold(key: string): ToldCall | undefined {
  return take((kept) => kept.key === key);
}

/** Runs `ask` as the one attempt of a call that was told of. */
export function withinTold<T>(begun: ToldCall, ask: () => T): T {
  return within.run(begun, ask);
}

/**
 * The call that the telemetry told of and that a model is now asked for, for the middleware to end; undefined when the
 * middleware alone knows of it. AI SDK 7 says which call it is. Of others it is the newest of that model in the run:
 * between those of one model it does not matter which, as long as each is taken once.
 */
export function takeOver({ provider, modelId }: AiModel): OpenLlmCall | undefined {
  const around = within.getStore();
  const found =
    around !== undefined && !around.taken
      ? around
      : find(({ told: { model, taken } }) => !taken && model.provider === provider && model.modelId === modelId);
  if (found === undefined) return undefined;
  found.taken = true;
  return found.call;
}

function find(wanted: (kept: Kept) => boolean): ToldCall | undefined {
  const run = currentRun();
  return run && told.get(run)?.findLast(wanted)?.told;
}

function take(wanted: (kept: Kept) => boolean): ToldCall | undefined {
  const run = currentRun();
  const kept = run && told.get(run);
  const place = kept?.findLastIndex(wanted) ?? -1;
  return place < 0 ? undefined : kept?.splice(place, 1)[0]?.told;
}
