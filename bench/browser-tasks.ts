/** Finds the longest tasks of a page in what Chromium traced. */
import type { TraceEvent } from "./chromium.js";

/** The longest a page was busy, by the clock and by its CPU time; they need not be of the same task. */
export interface LongestTask {
  ms: number;
  cpuMs: number;
}

/** Of the tasks of all main threads of pages; throws when there is none in the trace. */
export function longestTask(trace: readonly TraceEvent[]): LongestTask {
  const thread = ({ pid, tid }: TraceEvent): string => `${pid}.${tid}`;
  const mains = new Set(
    trace.filter(({ name, args }) => name === "thread_name" && args?.name === MAIN_THREAD).map(thread),
  );
  const tasks = trace.filter((event) => event.name === RUN_TASK && event.ph === "X" && mains.has(thread(event)));
  if (tasks.length === 0) throw new Error("There is no task in the trace.");
  const longest = (micros: (task: TraceEvent) => number | undefined): number =>
    tasks.reduce((most, task) => Math.max(most, micros(task) ?? 0), 0) / 1000;
  return { ms: longest(({ dur }) => dur), cpuMs: longest(({ tdur }) => tdur) };
}

const MAIN_THREAD = "CrRendererMain";
const RUN_TASK = "ThreadControllerImpl::RunTask";
