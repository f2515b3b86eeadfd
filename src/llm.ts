/** A call of a model around a function: it begins, is measured, and ends as the function does. */
import { type CurrentRun, currentRun } from "./context.js";
import { type LlmCallInfo, startCall, withinCall } from "./llm-call.js";
import { type LlmOutcome, mergeOutcomes } from "./llm-outcome.js";
import { usageOf } from "./llm-usage.js";

/** What the function of a call is handed. */
export interface LlmReport {
  /**
   * Adds what is known of the call: model, tokens, cost, and fields that go along in its line. What is said later
   * counts, field by field. Never throws.
   */
  report(outcome: LlmOutcome): void;
}

/**
 * Runs `fn` as one call of a model, and returns what it returns, throws what it throws. Logs its start, and its end or
 * its error with duration, tokens and cost: what `fn` reported, else what calls inside of it told (a captured SDK's),
 * else what the returned answer says. A stream has to be read inside of `fn`. Outside of a run `fn` just runs.
 */
export async function llm<T>(
  info: LlmCallInfo,
  fn: (call: LlmReport) => T | Promise<T>,
  run: CurrentRun | undefined = currentRun(),
): Promise<T> {
  if (run === undefined) return fn({ report() {} });
  const call = startCall(info, run);
  let reported: LlmOutcome = {};
  const report = (outcome: LlmOutcome): void => {
    reported = mergeOutcomes(reported, outcome);
  };
  try {
    const answer = await withinCall(call, () => fn({ report }));
    call.complete(call.hasParts ? reported : mergeOutcomes({ ...usageOf(answer) }, reported));
    return answer;
  } catch (error) {
    call.fail(error, reported);
    throw error;
  }
}
