/** The names of keys and channels (protocol §3). */

/** Names keys; made once for a store. */
export interface RedisKeys {
  /** Runs by creation, open runs by when to look at them, and the mark of a sweep. */
  runs: string;
  open: string;
  sweeping: string;
  /** What stands before an owner's id in the name of its channel. */
  toOwner: string;
  /** Runs of a subject by creation. */
  subject(subjectId: string): string;
  /** The keys of a run in the order in which scripts take them. */
  run(runId: string): string[];
  wake(runId: string): string;
  summary(runId: string): string;
  children(runId: string): string;
  result(runId: string): string;
}

/** `tagged`: run ids stand inside braces, so that all keys of a run share a slot of a Cluster. */
export function redisKeys(prefix: string, tagged: boolean): RedisKeys {
  const tag = (runId: string): string => (tagged ? `{${runId}}` : runId);
  const logs = (runId: string, what: string): string => `${prefix}logs:${tag(runId)}:${what}`;
  const summary = (runId: string): string => `${prefix}run:${tag(runId)}`;
  return {
    runs: `${prefix}livetail:runs`,
    open: `${prefix}livetail:open`,
    sweeping: `${prefix}livetail:sweep`,
    toOwner: `${prefix}livetail:to:`,
    subject: (subjectId) => `${prefix}livetail:subject:${subjectId}`,
    run: (runId) => [
      ...["meta", "buffer", "layers", "producers", "result", "children"].map((what) => logs(runId, what)),
      `${prefix}logs:owner:${tag(runId)}`,
      summary(runId),
    ],
    wake: (runId) => logs(runId, "wake"),
    summary,
    children: (runId) => logs(runId, "children"),
    result: (runId) => logs(runId, "result"),
  };
}
