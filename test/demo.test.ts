import { createServer } from "node:http";
import { beforeAll, describe, expect, it } from "vitest";
import { ensureBuilt } from "./support/built.js";
import { type CliProcess, startProgram } from "./support/cli.js";

beforeAll(ensureBuilt, 120_000);

const startDemo = (...args: string[]): CliProcess =>
  startProgram([process.execPath, "--import", "tsx", "examples/runner-service/main.ts", ...args]);

// A deadline, not a wait: several processes of whole operations share the machine with other tests.
describe("the demo", { timeout: 60_000 }, () => {
  it("runs every operation once, shows each to its last line, and misses no call of a model", async () => {
    const demo = startDemo("--once");
    expect(await demo.ended).toBe(0);
    const rows = demo.stdout.split("\n").filter((line) => /^[a-z]+-[a-z]+ +(completed|failed)/.test(line));
    expect(rows.map((row) => row.split(/ +/).slice(0, 2).join(" "))).toEqual([
      "import-job completed",
      "search-jobs completed",
      "ingest-jobs completed",
      "annotate-job completed",
      "write-outreach completed",
      "write-cv completed",
    ]);
    for (const row of rows) {
      const [, , , lines = "", done, , all, calls, cost] = row.split(/ +/);
      expect([Number(lines) > 5, Number(calls) > 0, done === all], row).toEqual([true, true, true]);
      expect(cost).toMatch(/^\$0\.0\d*[1-9]/);
    }
    const [, told, known] =
      /tell of (\d+) calls of models; the models themselves know of (\d+)\./.exec(demo.stdout) ?? [];
    expect(Number(told)).toBeGreaterThan(20);
    expect(known).toBe(told);
    // What is said of a run in its terminal: a failed call, its fallback, a review that was not passed, a site's fault.
    for (const told of ["error [anthropic]", "fallback [openai]", "passed=false", "/postings/job-113 answers 500"]) {
      expect(demo.stdout).toContain(told);
    }
  });

  it("stays up with two runners for a person until Ctrl-C, on another port if its own is taken", async () => {
    const taken = createServer();
    // It may be taken by somebody else; that serves as well.
    const settled = new Promise((resolve) => taken.once("listening", resolve).once("error", resolve));
    taken.listen(3000, "127.0.0.1");
    await settled;
    const demo = startDemo("--redis", "--fastify");
    try {
      await demo.printed("stdout", "Ctrl-C ends it.");
      const url = new URL(/http:\S+/.exec(demo.stdout)?.[0] ?? "");
      expect(url.port).not.toBe("3000");
      const page = await fetch(url);
      expect(page.headers.get("content-type")).toMatch(/^text\/html/);
      expect(await (await fetch(`${url.origin}/runners`)).json()).toEqual([
        { name: "runner-1", alive: true },
        { name: "runner-2", alive: true },
      ]);
      const started = await fetch(`${url.origin}/jobs/job-101/cv`, { method: "POST" });
      expect(started.status).toBe(202);
      demo.child.kill("SIGINT");
      expect(await demo.ended).toBe(0);
    } finally {
      // So that its runners and its Redis end with it, whatever was not as expected.
      demo.child.kill();
      taken.close();
    }
  });
});
