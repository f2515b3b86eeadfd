/** Finds the longest task of a page in what Chromium traced. */

/** How long it took, and how much of that it was at work. */
export interface TaskTime {
  ms: number;
  cpuMs: number;
}

interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  /** Microseconds, as `tdur`. */
  dur?: number;
  tdur?: number;
  args?: { name?: string };
}

/** Of the tasks of all main threads of pages; throws when there is none in the trace. */
export function longestTask(trace: Buffer): TaskTime {
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: TraceEvent[] };
  const thread = ({ pid, tid }: TraceEvent): string => `${pid}.${tid}`;
  const mains = new Set(
    traceEvents.filter(({ name, args }) => name === "thread_name" && args?.name === "CrRendererMain").map(thread),
  );
  const tasks = traceEvents.filter((event) => event.name === RUN_TASK && event.ph === "X" && mains.has(thread(event)));
  if (tasks.length === 0) throw new Error("There is no task in the trace.");
  const { dur = 0, tdur = 0 } = tasks.reduce((longest, task) =>
    (task.dur ?? 0) > (longest.dur ?? 0) ? task : longest,
  );
  return { ms: dur / 1000, cpuMs: tdur / 1000 };
}

const RUN_TASK = "ThreadControllerImpl::RunTask";
