/** Every operation once, shown in this terminal. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { OPERATIONS, type StartedOperation } from "./operations.js";
import type { Demo } from "./start-demo.js";

const COMMAND = fileURLToPath(new URL("../../../dist/cli/main.js", import.meta.url));
const CHOSEN: Record<string, string> = { job: "job-101", kind: "recruiter" };

/** Runs them in turn; resolves to whether all completed, and told of every call that the models know of. */
export async function runOnce(demo: Demo): Promise<boolean> {
  const rows = [["operation", "status", "seconds", "lines", "layers", "calls", "cost"]];
  let [calls, completed] = [0, true];
  for (const operation of OPERATIONS) {
    console.log(`\n# ${operation.title}`);
    const runUrl = `${demo.url}/operations/${await start(demo.url, operation)}`;
    // Its exit code is that of the run, whose status is asked for below.
    await once(spawn(process.execPath, [COMMAND, "tail", `${runUrl}/view`], { stdio: "inherit" }), "exit");
    const run = await (await fetch(`${runUrl}/status`)).json();
    const { total } = run.backend_stats;
    const seconds = (Date.parse(run.finished_at) - Date.parse(run.started_at)) / 1000;
    const layers = `${run.layers_done} of ${run.layers_total}`;
    const figures = [seconds.toFixed(1), run.total_count, layers, total.calls, `$${total.cost_usd.toFixed(6)}`];
    rows.push([run.operation, run.status, ...figures.map(String)]);
    calls += total.calls;
    completed &&= run.status === "completed";
  }
  const known = demo.world.calls("demo").length;
  console.log(`\n${tableOf(rows)}\n`);
  console.log(`The runs tell of ${calls} calls of models; the models themselves know of ${known}.`);
  return completed && calls === known;
}

/** Sends the request; resolves to the id of its run. */
async function start(url: string, { operation, path, body }: StartedOperation): Promise<string> {
  const filled = (text: string): string => text.replace(/\{(\w+)\}/g, (_, name: string) => CHOSEN[name] ?? "");
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(url + filled(path), { method: "POST", headers, body: filled(JSON.stringify(body)) });
  const runId = answer.headers.get("X-Run-Id");
  if (runId === null) throw new Error(`${operation} answers ${answer.status}: ${await answer.text()}`);
  await answer.body?.cancel();
  return runId;
}

function tableOf(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? [];
  const aligned = (cell: string, i: number): string =>
    i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0);
  return rows.map((row) => row.map(aligned).join("  ")).join("\n");
}
