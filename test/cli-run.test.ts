import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readRunCall, runCommand } from "../src/cli/run.js";
import { LogPoller } from "../src/client/index.js";
import { sseTransport } from "../src/client/sse.js";
import { createLivetail } from "../src/livetail.js";
import type { PollAnswer } from "../src/protocol.js";
import {
  CLI,
  type CliProcess,
  createTestIo,
  fixture,
  startCli,
  startProgram,
  type TestIo,
  until,
} from "./support/cli.js";
import { requireProgram } from "./support/program.js";
import { freePort, startRedis } from "./support/redis.js";

const NODE = process.execPath;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "livetail-run-"));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Starts `livetail run` and waits for its first line, the URL. */
async function startRun(
  args: readonly string[],
  env?: NodeJS.ProcessEnv,
): Promise<{ cli: CliProcess; viewUrl: string }> {
  const cli = startCli(["run", ...args], env);
  await cli.printed("stderr", "/view\n");
  return { cli, viewUrl: viewUrlOf(cli.stderr) };
}

function viewUrlOf(stderr: string): string {
  const [, url] = /^livetail: watch (http:\/\/127\.0\.0\.1:\d+\/livetail\/op_[\w.-]+\/view)\n/.exec(stderr) ?? [];
  if (url === undefined) throw new Error(`No URL comes first: ${stderr}`);
  return url;
}

async function poll(viewUrl: string, query = ""): Promise<PollAnswer> {
  const response = await fetch(viewUrl.replace(/\/view$/, query));
  expect(response.status).toBe(200);
  return (await response.json()) as PollAnswer;
}

/** Starts `livetail run` inside this process, with a clock that stands still. */
function runHere(args: readonly string[]): {
  io: TestIo;
  code: Promise<number>;
  over: () => boolean;
  viewUrl: Promise<string>;
} {
  const call = readRunCall(args);
  if (call === null) throw new Error("Help was not wanted.");
  const io = createTestIo();
  let over = false;
  const code = runCommand(call, io).finally(() => {
    over = true;
  });
  return {
    io,
    code,
    over: () => over,
    // Only when it is asked for: with --no-view it never comes.
    get viewUrl() {
      return until(() => io.printed.stderr.includes("/view\n")).then(() => viewUrlOf(io.printed.stderr));
    },
  };
}

/** A command that ends when the test says so, and what ends it. */
function createGate(name: string): { command: string[]; open(): Promise<void> } {
  const path = join(folder, name);
  execFileSync("mkfifo", [path]);
  return { command: ["cat", path], open: () => writeFile(path, "a line\n") };
}

/** The run has ended and its end is stored. */
async function untilEnded(viewUrl: string): Promise<void> {
  await until(async () => {
    const response = await fetch(viewUrl.replace(/view$/, "status"));
    return ((await response.json()) as PollAnswer).expected_log_count !== null;
  });
}

/** Output as lines without colours, with a mark in place of every JSON object. */
function comparable(text: string): string[] {
  const mark = (line: string): string => line.replace(/^.*\bobject (\d+)\b.*$/, "<object $1>");
  return stripVTControlCharacters(text).replace(/\n$/, "").split("\n").map(mark);
}

describe("livetail run", () => {
  it("passes both streams through byte for byte, and gives the command its arguments without a shell", async () => {
    const program =
      "process.stdout.write(Buffer.from([0,255,27,91,51,49,109,13,10,195])); process.stderr.write('err\\r\\n' + process.argv[1])";
    const { cli } = await startRun(["--", NODE, "-e", program, "a b;$HOME*"]);
    expect(await cli.ended).toBe(0);
    expect(cli.stdoutBytes).toEqual(Buffer.from([0, 255, 27, 91, 51, 49, 109, 13, 10, 195]));
    expect(cli.stderr.split("\n").slice(1).join("\n")).toBe("err\r\na b;$HOME*");
  });

  it("names the run after the command, tells the child its name, and asks for no colours where there is no terminal", async () => {
    const program = "console.log(JSON.stringify([process.env.LIVETAIL_RUN, process.env.FORCE_COLOR ?? null]))";
    const { cli, viewUrl } = await startRun(["--", NODE, "-e", program]);
    await cli.ended;
    const [name, color] = JSON.parse(cli.stdout) as [string, string | null];
    const [, id] = /^(op_node_[a-z2-7]{24})@memory$/.exec(name) ?? [];
    expect(viewUrl).toContain(`/${id}/`);
    expect(color).toBeNull();
  });

  it("serves the page and the polls of the run while it goes on, under the names that were given", async () => {
    const gate = createGate("page");
    const { cli, viewUrl } = await startRun(["--name", "job x", "--subject", "s1", "--", ...gate.command]);
    const page = await fetch(viewUrl);
    expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    let answer = await poll(viewUrl);
    expect(answer).toMatchObject({ status: "running", operation: "job x", subject_id: "s1", logs: [] });
    await gate.open();
    await until(async () => {
      answer = await poll(viewUrl, `?cursor=${answer.cursor}`);
      return answer.status === "completed";
    });
    expect(await cli.ended).toBe(0);
  });

  it("stores a completed run with its exit code, lines with their stream, and JSON lines as entries", async () => {
    const { cli, viewUrl } = await startRun([
      ...["--linger", "60", "--", "sh", "-c"],
      'echo err >&2; echo out; echo \'{"level":"warn","event":"x","message":"m"}\'',
    ]);
    await untilEnded(viewUrl);
    const result = await fetch(viewUrl.replace(/view$/, "result"));
    expect(await result.json()).toEqual({ exit_code: 0 });
    const { logs } = await poll(viewUrl);
    const from = (wanted: string) =>
      logs.filter(({ stream }) => stream === wanted).map(({ message, source }) => [message, source]);
    expect(from("stdout")).toEqual([
      ["out", "text"],
      ["m", "structured"],
    ]);
    expect(from("stderr")).toEqual([["err", "text"]]);
    expect(await cli.ended).toBe(0);
  });

  it.each([
    [["sh", "-c", "exit 3"], 3, "exited with code 3"],
    [["sh", "-c", "kill -TERM $$"], 143, "was ended by SIGTERM"],
    [["livetail-no-such-command"], 127, "livetail-no-such-command: command not found"],
  ])("fails the run of %j and exits with %i", async (command, code, error) => {
    const { cli, viewUrl } = await startRun(["--linger", "60", "--", ...command]);
    await untilEnded(viewUrl);
    expect(await poll(viewUrl)).toMatchObject({ status: "failed", error });
    expect(await cli.ended).toBe(code);
    if (code === 127) expect(cli.stderr).toContain(`livetail: ${error}\n`);
  });

  it("exits with 126 for what cannot be executed", async () => {
    const path = join(folder, "plain.txt");
    writeFileSync(path, "no program");
    chmodSync(path, 0o644);
    const { io, code } = runHere(["--", path]);
    expect(await code).toBe(126);
    expect(io.printed.stderr).toContain(`${path}: not executable`);
  });

  it("fails the run of a command whose start the system refuses outright, and exits with 126", async () => {
    const path = join(folder, "file.txt");
    writeFileSync(path, "no folder");
    const { io, code, viewUrl } = runHere(["--linger", "60", "--", join(path, "command")]);
    await untilEnded(await viewUrl);
    const error = `${path}/command: not a directory`;
    expect(await poll(await viewUrl)).toMatchObject({ status: "failed", error });
    await io.hands.advance(100);
    expect(await code).toBe(126);
    expect(io.printed.stderr).toContain(`livetail: ${error}\n`);
  });

  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "passes %s on once, and exits with the command's own code",
    async (signal) => {
      const { cli } = await startRun(["--", NODE, fixture("signals.mjs")]);
      await cli.printed("stdout", "ready");
      // Two signals that come together may count as one, so one alone would not show every doubling.
      for (let sent = 1; sent <= 5; sent += 1) {
        cli.child.kill(signal);
        await until(() => cli.stdout.split(`${signal} came`).length > sent);
      }
      cli.child.stdin.write("end\n");
      expect(await cli.ended).toBe(7);
      expect(cli.stdout).toContain(`counted {"${signal}":5}`);
    },
  );

  it("does not double a Ctrl-C, which a terminal sends to the command already, and asks for colours there", async () => {
    const script = requireProgram(["script"], "bsdutils");
    const program = `process.stdout.write('color ' + process.env.FORCE_COLOR + '\\n'); import('${fixture("signals.mjs")}')`;
    const line = [...CLI, "run", "--", NODE, "-e", program]
      .map((part) => `'${part.replaceAll("'", "'\\''")}'`)
      .join(" ");
    const terminal = startProgram([script, "-qec", `exec ${line}`, "/dev/null"], { SHELL: "/bin/sh" });
    await terminal.printed("stdout", "ready");
    for (let press = 1; press <= 5; press += 1) {
      terminal.child.stdin.write("\u0003");
      await until(() => terminal.stdout.split("SIGINT came").length > press);
    }
    terminal.child.stdin.write("end\n");
    expect(await terminal.ended).toBe(7);
    expect(terminal.stdout).toContain("color 1");
    expect(terminal.stdout).toContain('counted {"SIGINT":5}');
  });

  it("ends the command when the reader of its output has gone, as without livetail", async () => {
    const { cli } = await startRun(["--", "yes"]);
    await cli.printed("stdout", "y\n");
    cli.child.stdout.destroy();
    expect(await cli.ended).not.toBe(0);
  });

  it("does not wait for ever for what a command left behind with its pipes", async () => {
    const { io, code, over } = runHere(["--", "sh", "-c", "echo first; sleep 60 & echo $!"]);
    await until(() => /first\n\d+\n/.test(io.printed.stdout));
    await until(async () => {
      await io.hands.advance(1000);
      return over();
    });
    expect(await code).toBe(0);
    process.kill(Number(io.printed.stdout.split("\n")[1]));
  });

  it.each([
    [["run"]],
    [["run", "--", ""]],
    [["run", "--nam", "x", "--", "true"]],
    [["run", "true"]],
    [["run", "--port", "x", "--", "true"]],
    [["walk"]],
  ])("calls %j a wrong call", async (args) => {
    const cli = startCli(args);
    expect(await cli.ended).toBe(64);
    expect(cli.stdout).toBe("");
    expect(cli.stderr).toMatch(/^livetail: .+\n/);
  });

  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

  it.each([
    ["--version", `${version}\n`],
    ["--help", "livetail run [options]"],
    ["run --help", "The command gets LIVETAIL_RUN"],
    ["tail -h", "--since N"],
  ])("answers %s", async (args, answer) => {
    const cli = startCli(args.split(" "));
    expect(await cli.ended).toBe(0);
    expect(cli.stdout).toContain(answer);
  });

  it("fails by itself, and says why, when its port is taken", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await until(() => server.listening);
    const { port } = server.address() as AddressInfo;
    const { io, code } = runHere(["--port", String(port), "--", "true"]);
    expect(await code).toBe(125);
    expect(io.printed.stderr).toContain("EADDRINUSE");
    server.close();
  });

  it("keeps the run in Redis for other machines, and ends the command when one of them cancels it", async () => {
    const redis = await startRedis({ own: true });
    const elsewhere = createLivetail({ redis: redis.url });
    try {
      const { cli, viewUrl } = await startRun([
        "--redis",
        redis.url,
        "--",
        NODE,
        "-e",
        "console.log('x'); setInterval(() => {}, 9)",
      ]);
      const runId = new URL(viewUrl).pathname.split("/")[2] ?? "";
      await until(async () => (await elsewhere.reader.status(runId).catch(() => null))?.total_count === 1);
      await elsewhere.cancelRun(runId);
      expect(await cli.ended).toBe(143);
      expect(await elsewhere.reader.status(runId)).toMatchObject({
        status: "cancelled",
        error: "was ended by SIGTERM",
      });
    } finally {
      await elsewhere.close();
      await redis.stop();
    }
  });

  it("lets the command join its run in Redis, under the run's fence", async () => {
    const redis = await startRedis({ own: true });
    const elsewhere = createLivetail({ redis: redis.url });
    try {
      const { cli, viewUrl } = await startRun([
        "--redis",
        redis.url,
        "--",
        NODE,
        "-e",
        "console.log(process.env.LIVETAIL_RUN)",
      ]);
      expect(await cli.ended).toBe(0);
      const runId = new URL(viewUrl).pathname.split("/")[2] ?? "";
      const fence = await redis.cli("HGET", `logs:${runId}:meta`, "fence");
      expect(cli.stdout).toBe(`${runId}@${fence}\n`);
    } finally {
      await elsewhere.close();
      await redis.stop();
    }
  });

  it("runs the command although Redis is away, and waits no longer than somebody wants to", async () => {
    const redis = `redis://127.0.0.1:${await freePort()}`;
    const cli = startCli(["run", "--redis", redis, "--no-view", "--", "sh", "-c", "echo done; exit 5"]);
    await cli.printed("stdout", "done\n");
    await cli.printed("stderr", "livetail: STORE_UNAVAILABLE: ");
    await cli.printed("stderr", "livetail: waiting for the store; Ctrl-C ends it\n");
    cli.child.kill("SIGINT");
    expect(await cli.ended).toBe(5);
  });

  it("starts no server with --no-view", async () => {
    const { io, code } = runHere(["--no-view", "--", "sh", "-c", "exit 4"]);
    expect(await code).toBe(4);
    expect(io.printed.stderr).toMatch(/^livetail: run op_sh_[a-z2-7]{24}\n$/);
  });
});

describe("livetail run after the end of its command", () => {
  it("goes at once when nobody watches", async () => {
    const { code } = runHere(["--", "echo", "x"]);
    expect(await code).toBe(0);
  });

  it("stays for a viewer that is between two polls, until that has seen the end", async () => {
    const gate = createGate("between");
    const { io, code, over, viewUrl } = runHere(["--", ...gate.command]);
    const { cursor } = await poll(await viewUrl);
    await gate.open();
    await untilEnded(await viewUrl);
    await io.hands.advance(1000);
    expect(over()).toBe(false);
    expect(await poll(await viewUrl, `?cursor=${cursor}`)).toMatchObject({ status: "completed", next_index: 1 });
    await io.hands.advance(100);
    expect(await code).toBe(0);
  });

  it("stays for a viewer that gets the lines page by page", async () => {
    const { io, code, over, viewUrl } = runHere(["--linger", "10", "--", "seq", "5"]);
    await untilEnded(await viewUrl);
    let query = "?limit=2";
    for (let page = 1; page <= 3; page += 1) {
      await io.hands.advance(100);
      expect(over()).toBe(false);
      query = `?limit=2&cursor=${(await poll(await viewUrl, query)).cursor}`;
    }
    await io.hands.advance(100);
    expect(await code).toBe(0);
  });

  it("does not wait for a viewer that does not come back, nor longer than it was told", async () => {
    for (const [linger, seconds] of [
      ["30", 4],
      ["2", 3],
    ] as const) {
      const gate = createGate(`gone-${linger}`);
      const { io, code, over, viewUrl } = runHere(["--linger", linger, "--", ...gate.command]);
      await poll(await viewUrl);
      await gate.open();
      await untilEnded(await viewUrl);
      if (linger === "30") await poll(await viewUrl);
      await io.hands.advance(1500);
      expect(over()).toBe(false);
      await io.hands.advance((seconds - 1.5) * 1000);
      expect(await code).toBe(0);
    }
  });

  it("stays for somebody who opened the page and has not polled yet", async () => {
    const gate = createGate("opened");
    const { io, code, over, viewUrl } = runHere(["--", ...gate.command]);
    await fetch(await viewUrl);
    await gate.open();
    await untilEnded(await viewUrl);
    await io.hands.advance(1000);
    expect(over()).toBe(false);
    await poll(await viewUrl, "?wait=20");
    await io.hands.advance(100);
    expect(await code).toBe(0);
  });

  it("with --linger goes as soon as the viewer of a stream has seen the end", async () => {
    const gate = createGate("streamed");
    const { io, code, viewUrl } = runHere(["--linger", "3600", "--", ...gate.command]);
    const stream = await fetch((await viewUrl).replace(/view$/, "stream"));
    await gate.open();
    expect(await stream.text()).toContain("\nevent: end\n");
    await untilEnded(await viewUrl);
    await io.hands.advance(100);
    expect(await code).toBe(0);
  });

  it("with --linger stays when the viewer of a stream left before the end", async () => {
    const gate = createGate("left");
    const { io, code, over, viewUrl } = runHere(["--linger", "5", "--", ...gate.command]);
    const leaving = new AbortController();
    await fetch((await viewUrl).replace(/view$/, "stream"), { signal: leaving.signal });
    leaving.abort();
    await gate.open();
    await untilEnded(await viewUrl);
    await io.hands.advance(4900);
    expect(over()).toBe(false);
    await io.hands.advance(200);
    expect(await code).toBe(0);
  });

  it("with --linger stays so long for somebody who comes yet", async () => {
    const { io, code, over, viewUrl } = runHere(["--linger", "5", "--", "true"]);
    await untilEnded(await viewUrl);
    await io.hands.advance(4900);
    expect(over()).toBe(false);
    await io.hands.advance(200);
    expect(await code).toBe(0);
  });

  it("ends at once on a signal, with the command's code", async () => {
    const { io, code, viewUrl } = runHere(["--linger", "3600", "--", "sh", "-c", "exit 9"]);
    await untilEnded(await viewUrl);
    io.signals.emit("SIGINT");
    expect(await code).toBe(9);
  });

  it.each([
    ["polls", {}],
    ["long polls", { waitSeconds: 20 }],
    ["a stream", { transport: sseTransport() }],
  ])("has shown viewers by %s everything", async (_name, options) => {
    const gate = createGate(`viewer ${_name}`);
    const { io, code, over, viewUrl } = runHere(["--", ...gate.command]);
    const url = new URL(await viewUrl);
    const [, mount, runId = ""] = url.pathname.split("/");
    const lines: string[] = [];
    let completed = false;
    const poller = new LogPoller(runId, {
      endpointBase: `${url.origin}/${mount}`,
      waitSeconds: 0,
      ...options,
      onLog: ({ message }) => lines.push(message),
      onComplete: () => {
        completed = true;
      },
    }).start();
    await until(() => poller.cursor !== undefined);
    await gate.open();
    await until(async () => {
      await io.hands.advance(50);
      return over();
    });
    expect(await code).toBe(0);
    await until(() => completed);
    expect(lines).toEqual(["a line"]);
  });
});

describe("the same lines in a second terminal", () => {
  /** Runs the fixture that prints everything, with a tail from its first line on. */
  async function compare(
    runArgs: readonly string[],
    tailArgs: (viewUrl: string) => readonly string[],
    env: NodeJS.ProcessEnv,
  ) {
    const { cli, viewUrl } = await startRun([...runArgs, "--", NODE, fixture("chatty.mjs")]);
    const tail = startCli(["tail", ...tailArgs(viewUrl)], env);
    await tail.printed("stdout", "ready\n");
    cli.child.stdin.write("go\n");
    expect(await tail.ended).toBe(0);
    expect(await cli.ended).toBe(0);
    const out = cli.stdout;
    const err = cli.stderr.split("\n").slice(1).join("\n");
    expect(comparable(out).length + comparable(err).length).toBeGreaterThan(3000);
    // Two pipes have no order between them, so each is compared with its own lines.
    const tailed = comparable(tail.stdout);
    expect(tailed.filter((line) => line.startsWith("E "))).toEqual(comparable(err));
    expect(tailed.filter((line) => !line.startsWith("E "))).toEqual(comparable(out));
    return { out, err, tail };
  }

  const idOf = (viewUrl: string): string => new URL(viewUrl).pathname.split("/")[2] ?? "";

  it("come over HTTP, with their colours where they are wanted", async () => {
    const base = (viewUrl: string): string => `${new URL(viewUrl).origin}/livetail`;
    const { out, tail } = await compare([], (url) => [idOf(url), "--url", base(url)], { FORCE_COLOR: "1" });
    const colored = out.split("\n").filter((line) => line.startsWith("\u001b[32m"));
    expect(colored).toHaveLength(1000);
    expect(tail.stdout.split("\n").filter((line) => line.startsWith("\u001b[32m"))).toEqual(colored);
    expect(stripVTControlCharacters(tail.stderr)).toMatch(/^completed {2}op_node_\w+, \d+ lines\n$/);
  });

  it("come through Redis", async () => {
    const redis = await startRedis({ own: true });
    try {
      const { tail } = await compare(["--redis", redis.url], (url) => [idOf(url), "--redis", redis.url], {});
      expect(tail.stdout).not.toContain("\u001b");
    } finally {
      await redis.stop();
    }
  });
});
