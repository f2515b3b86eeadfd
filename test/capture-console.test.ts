import { Console } from "node:console";
import { PassThrough } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";
import { captureConsole } from "../src/capture/console.js";
import { currentRun } from "../src/default-livetail.js";
import { capturedIn, told } from "./support/captured.js";

let end = (): void => {};
afterEach(() => end());

/** A console of its own, captured, and what it prints. */
function openConsole(options: Omit<Parameters<typeof captureConsole>[0] & object, "console"> = {}) {
  const out = new PassThrough();
  const own = new Console(out, out);
  end = captureConsole({ ...options, console: own });
  return { own, printed: () => String(out.read() ?? "") };
}

describe("a captured console", () => {
  it("logs each call to the run that it belongs to, with its level and the text that it prints", async () => {
    const { own, printed } = openConsole();
    const answer = await capturedIn(async () => {
      own.debug("looked at %d pages", 12);
      own.log("found", { jobs: 3 });
      await Promise.resolve();
      own.info("half");
      own.warn("slow: %s", "source b");
      own.error("failed");
      own.dir({ deep: { deeper: { deepest: 1 } } }, { depth: 0 });
    });
    expect(told(answer)).toEqual([
      { level: "debug", message: "looked at 12 pages" },
      { level: "info", message: "found { jobs: 3 }" },
      { level: "info", message: "half" },
      { level: "warn", message: "slow: source b" },
      { level: "error", message: "failed" },
      { level: "info", message: "{ deep: [Object] }" },
    ]);
    expect(printed()).toContain("looked at 12 pages\nfound { jobs: 3 }\nhalf\nslow: source b\nfailed\n");
  });

  it("keeps an error's stack as traceback", async () => {
    const { own } = openConsole();
    const { logs } = await capturedIn(() => own.error("source %s:", "b", new TypeError("no answer")));
    expect(logs).toMatchObject([
      { level: "error", message: "source b: TypeError: no answer", error: "TypeError: no answer" },
    ]);
    expect(logs[0]?.traceback).toMatch(/^TypeError: no answer\n +at /);
  });

  it("only prints what belongs to no run, and only logs what does when it shall not print", async () => {
    const { own, printed } = openConsole({ print: false });
    own.log("before");
    const answer = await capturedIn(() => own.log("within"));
    own.log("after");
    expect(told(answer)).toEqual([{ level: "info", message: "within" }]);
    expect(printed()).toBe("before\nafter\n");
  });

  it("takes in what a console prints by means of itself, once", async () => {
    const { own } = openConsole({ print: false });
    const { logs } = await capturedIn(() => {
      own.table([{ a: 1 }]);
      own.trace("where");
      own.assert(false, "must hold");
    });
    expect(logs.map(({ message }) => message)).toEqual([
      expect.stringContaining("│ 0       │ 1 │"),
      expect.stringMatching(/^Trace: where/),
      "Assertion failed: must hold",
    ]);
  });

  it("does not take in what is printed while a line is taken in", async () => {
    const { own, printed } = openConsole({ print: false });
    const loud = {
      get secret() {
        own.log("looked at");
        return currentRun()?.id;
      },
    };
    const { logs } = await capturedIn(() => own.dir(loud, { getters: true }));
    expect(logs).toHaveLength(1);
    expect(printed()).toBe("looked at\n");
  });

  it("does not break the operation with what cannot be shown", async () => {
    const { own } = openConsole({ print: false });
    const broken = new Proxy(
      {},
      {
        getPrototypeOf() {
          throw new Error("trap");
        },
      },
    );
    const hidden = {
      [Symbol.for("nodejs.util.inspect.custom")]: () => {
        throw new Error("inspect");
      },
    };
    const { logs, status } = await capturedIn(() => {
      own.log(hidden);
      own.log("text", broken);
      own.log(Symbol("s"), 1n, undefined, null);
    });
    expect(status).toBe("completed");
    expect(logs.map(({ message }) => message)).toEqual([
      "[what was printed cannot be shown]",
      expect.any(String),
      "Symbol(s) 1n undefined null",
    ]);
  });

  it("is given back as it was, and left alone where somebody else has captured it since", async () => {
    const out = new PassThrough();
    const own = new Console(out, out);
    const { log, warn } = own;
    const give = captureConsole({ console: own });
    expect(own.log).not.toBe(log);
    const outer = (): void => {};
    own.warn = outer;
    give();
    expect(own.log).toBe(log);
    expect(own.warn).toBe(outer);
    expect(own.warn).not.toBe(warn);
  });
});
