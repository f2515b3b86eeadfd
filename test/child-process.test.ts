import { spawn } from "node:child_process";
import { PassThrough, Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { type ChildOutputSink, captureOutput } from "../src/capture/child-process.js";
import { settle } from "./support/hand-clock.js";
import { until } from "./support/until.js";

/** A sink whose lines wait until the test stores them. */
function createSink(): ChildOutputSink & { lines: string[]; store(): void } {
  const lines: string[] = [];
  let waiting = 0;
  let release: (() => void)[] = [];
  return {
    lines,
    logOutput(line, stream) {
      lines.push(`${stream}: ${line}`);
      waiting += 1;
    },
    get waitingLines() {
      return waiting;
    },
    flush: () =>
      new Promise((resolve) => {
        release.push(resolve);
      }),
    store() {
      waiting = 0;
      const due = release;
      release = [];
      for (const resolve of due) resolve();
    },
  };
}

describe("the capture of a child's output", () => {
  it("logs the lines of both pipes in the order in which they were read, to the last one without a line end", async () => {
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    const sink = createSink();
    const captured = captureOutput({ stdout, stderr }, sink);
    for (const [pipe, text] of [
      [stdout, "one\ntw"],
      [stderr, "warn\n"],
      [stdout, "o\n\nthree"],
    ] as const) {
      pipe.write(text);
      await settle();
    }
    stderr.end();
    stdout.end();
    await captured;
    expect(sink.lines).toEqual(["stdout: one", "stderr: warn", "stdout: two", "stdout: ", "stdout: three"]);
  });

  it("pauses a pipe while too many lines wait, and goes on when they are stored", async () => {
    let chunks = 0;
    const endless = new Readable({
      highWaterMark: 1,
      read() {
        chunks += 1;
        this.push("a line\n".repeat(10));
      },
    });
    const sink = createSink();
    const captured = captureOutput({ stdout: endless, stderr: null }, sink, { maxWaitingLines: 25 });
    await settle();
    expect(sink.lines).toHaveLength(26);
    const before = chunks;
    await settle();
    expect(chunks).toBe(before);
    sink.store();
    await settle();
    expect(sink.lines).toHaveLength(52);
    endless.destroy();
    sink.store();
    await captured;
  });

  it("does not let one chunk of very many lines past the pause", async () => {
    const sink = createSink();
    const captured = captureOutput({ stdout: Readable.from([Buffer.alloc(60_000, "\n")]), stderr: null }, sink);
    await settle();
    expect(sink.lines).toHaveLength(5001);
    let over = false;
    void captured.then(() => {
      over = true;
    });
    while (!over) {
      sink.store();
      await settle();
    }
    expect(sink.lines).toHaveLength(60_000);
  });

  it("takes no more of 100 MB without a newline than may wait, and all of it in the end", async () => {
    const program = `const mb = Buffer.alloc(1_000_000, "x"); let left = 100;
      (function print() { if (left-- > 0) process.stdout.write(mb, print); })();`;
    const child = spawn(process.execPath, ["-e", program]);
    let [length, waiting] = [0, 0];
    let stored = (): void => {};
    const captured = captureOutput(child, {
      logOutput(line) {
        length += line.length;
        waiting += 1;
      },
      get waitingLines() {
        return waiting;
      },
      flush: () =>
        new Promise((resolve) => {
          stored = resolve;
        }),
    });
    await until(() => length > 4_194_304, "what may wait");
    // The child is held up by its pipe: as much as it could print meanwhile stays there.
    await settle();
    expect(length).toBeLessThan(4_300_000);
    expect(child.exitCode).toBeNull();
    const storing = setInterval(() => {
      waiting = 0;
      stored();
    }, 1);
    await captured;
    clearInterval(storing);
    expect(length).toBe(100_000_000);
  });

  it("hands every chunk on before its lines, and reads no further until it was taken", async () => {
    const taken: string[] = [];
    let take = (): void => {};
    const stdout = new PassThrough();
    const sink = createSink();
    const captured = captureOutput({ stdout, stderr: null }, sink, {
      onChunk(chunk, stream) {
        taken.push(`${stream}: ${Buffer.from(chunk)}`);
        return new Promise((resolve) => {
          take = resolve;
        });
      },
    });
    stdout.write("one\n");
    await settle();
    stdout.write("two\n");
    await settle();
    expect([taken, sink.lines]).toEqual([["stdout: one\n"], []]);
    take();
    await settle();
    expect([taken, sink.lines]).toEqual([["stdout: one\n", "stdout: two\n"], ["stdout: one"]]);
    take();
    stdout.end();
    await captured;
    expect(sink.lines).toEqual(["stdout: one", "stdout: two"]);
  });

  it("destroys a pipe whose chunks nobody takes, keeps what was logged, and reads the other one on", async () => {
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    const sink = createSink();
    const captured = captureOutput({ stdout, stderr }, sink, {
      onChunk: (_chunk, stream) => (stream === "stdout" ? Promise.reject(new Error("EPIPE")) : undefined),
    });
    stdout.write("lost\n");
    await settle();
    expect(stdout.destroyed).toBe(true);
    stderr.end("kept\n");
    await captured;
    expect(sink.lines).toEqual(["stderr: kept"]);
  });
});
