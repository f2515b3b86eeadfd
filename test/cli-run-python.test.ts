import { beforeAll, describe, expect, it } from "vitest";
import type { LogEntry, PollAnswer } from "../src/protocol.js";
import { fixture, startCli } from "./support/cli.js";
import { requireProgram } from "./support/program.js";
import { until } from "./support/until.js";

/** What is seen of a run of `service.py` over HTTP once it has ended. */
interface Seen {
  answer: PollAnswer;
  lines: LogEntry[];
  code: number | string;
  printed: Buffer;
}

/** Runs the service to its end, and reads all lines that are kept. */
async function watch(): Promise<Seen> {
  const python = requireProgram(["python3"], "python3");
  const cli = startCli(["run", "--linger", "600", "--", python, fixture("service.py")]);
  await cli.printed("stderr", "/view\n");
  const url = /http:\S+(?=\/view)/.exec(cli.stderr)?.[0] ?? "";
  await until(() => cli.stdoutBytes.length > 10_000_000, "the long line");
  for (const end of ["", "grün", "grün 🚢"]) {
    cli.child.stdin.write("on\n");
    // Half a character comes after each.
    await until(() => cli.stdoutBytes.subarray(10_000_001).includes(Buffer.from(end)), end);
  }
  cli.child.stdin.write("on\n");
  await until(async () => (await (await fetch(`${url}/status`)).json()).expected_log_count !== null, "the end");
  const lines: LogEntry[] = [];
  let answer: PollAnswer;
  let next = 0;
  do {
    answer = (await (await fetch(`${url}?since=${next}&limit=1000`)).json()) as PollAnswer;
    lines.push(...answer.logs);
    next = answer.next_index;
  } while (next < answer.total_count);
  // Whoever has seen the end lets it go.
  return { answer, lines, code: await cli.ended, printed: cli.stdoutBytes };
}

describe("livetail run with a program in Python", () => {
  let seen: Seen;
  beforeAll(async () => {
    seen = await watch();
  });
  const of = (stream: string): LogEntry[] => seen.lines.filter((line) => line.stream === stream);
  const find = (text: string): LogEntry | undefined => seen.lines.find(({ message }) => message.includes(text));

  it("ends as the program did, with its error", () => {
    expect(seen.code).toBe(1);
    expect(seen.answer).toMatchObject({ status: "failed", error: "exited with code 1" });
  });

  it("shows levels, times and loggers of three usual configurations of logging", () => {
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(of("stderr").slice(0, 4)).toMatchObject([
      { level: "debug", module: "jobs.grader", message: "looking for jobs", timestamp: time },
      { level: "info", module: "jobs.grader", message: "found 3 jobs in Zürich", timestamp: time },
      { level: "warn", module: "jobs.tutorial", message: "slow answer", timestamp: time },
      { level: "error", module: "jobs.basic", message: "no credit left" },
    ]);
  });

  it("shows events, layers and cost of JSON lines", () => {
    expect(find("fetch_job: complete (1500ms)")).toMatchObject({ event: "layer_complete", source: "structured" });
    expect(find("grader: complete [openrouter]")).toMatchObject({ cost_usd: 0.0021, model: "m-1", input_tokens: 812 });
    expect(find("grader: error [claude_cli] - timed out")).toMatchObject({ level: "error" });
    expect(seen.answer.layer_status).toMatchObject({
      fetch_job: { status: "success", order: 0 },
      research: { status: "skipped", message: "cached", order: 1 },
      grade: { status: "failed", message: "KeyError('job-7')", order: 2 },
    });
    expect(seen.answer.backend_stats).toMatchObject({
      backends: { openrouter: { calls: 1, cost_usd: 0.0021 }, claude_cli: { calls: 1, errors: 1 } },
      total: { calls: 2, errors: 1, cost_usd: 0.0021, unpriced_calls: 1 },
    });
  });

  it("shows tracebacks, of an event and as they are printed", () => {
    expect(find("grade: error")?.traceback).toMatch(
      /^Traceback \(most recent call last\):\n[\s\S]*KeyError: 'job-7'\n$/,
    );
    const printed = of("stderr").map(({ message }) => message);
    const at = printed.indexOf("grading failed");
    expect(printed.slice(at, at + 2)).toEqual(["grading failed", "Traceback (most recent call last):"]);
    expect(of("stderr")[at]?.level).toBe("error");
    expect(printed.at(-1)).toBe("RuntimeError: nothing left to do");
  });

  it("keeps characters whole that were cut, and replaces what is no UTF-8", () => {
    expect(of("stdout").map(({ message }) => message)).toEqual(
      expect.arrayContaining(["grün 🚢 日本語", "not \ufffd\ufffd UTF-8 \ufffd"]),
    );
    expect(seen.printed.includes(Buffer.from("not \xff\xfe UTF-8 \xc3\n", "latin1"))).toBe(true);
  });

  it("keeps ten megabytes without a newline in pieces, the newest 8 MiB of them, and says what is missing", () => {
    const pieces = of("stdout").filter(({ message }) => /^x+$/.test(message));
    const kept = pieces.reduce((sum, { message }) => sum + message.length, 0);
    expect(kept).toBeGreaterThan(7_000_000);
    expect(kept).toBeLessThan(8_388_608);
    const { first_index, total_count } = seen.answer;
    expect(first_index).toBeGreaterThan(0);
    expect(seen.lines[0]?.index).toBe(first_index);
    expect(seen.lines).toHaveLength(total_count - first_index);
  });

  it("cuts a record of a megabyte to a line, and goes on", () => {
    expect(seen.lines.find(({ event }) => event === "large")).toMatchObject({ truncated: true, source: "structured" });
  });
});
