/** The README and the guides: every block of code is run, or checked as what it is, and every link leads somewhere. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createNodeHandler } from "../src/adapters/node.js";
import { readCoverageCall } from "../src/cli/coverage.js";
import { readRunCall } from "../src/cli/run.js";
import { readTailCall } from "../src/cli/tail.js";
import { createLivetail } from "../src/livetail.js";
import { LivetailPanel } from "../src/panel/livetail-panel.js";
import { LivetailRuns } from "../src/runs/livetail-runs.js";
import { ensureBuilt } from "./support/built.js";
import { type Block, blocks, blocksOf, documents, ROOT } from "./support/documents.js";
import { startRedis } from "./support/redis.js";
import { served } from "./support/served.js";

const packageJson = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

/** Which test takes the blocks of a kind, of all documents. */
const TAKEN: Record<string, string> = {
  ts: "test/docs.test.ts",
  html: "test/docs.test.ts",
  sh: "test/docs.test.ts",
  json: "test/docs.test.ts",
  text: "test/docs.test.ts",
  diff: "test/retrofits.test.ts",
  redis: "test/other-languages.test.ts",
  python: "test/other-languages.test.ts",
  nginx: "test/scaling.test.ts",
};

const redis = await startRedis();
const livetail = createLivetail({ redis: redis.url, authorize: () => true });
const server = await served(createNodeHandler(livetail, { mount: "/operations" }));
/** A run that has ended, with all that an answer can show. */
const run = livetail.createOperationRun("job-42", "import");

beforeAll(async () => {
  await ensureBuilt();
  run.layer("fetch", "running");
  run.layer("fetch", "success");
  run.logger.llmCallComplete({ backend: "openrouter", model: "m-1", costUsd: 0.002, stepName: "grader" });
  await run.complete({ jobs: 12 });
}, 120_000);

afterAll(async () => {
  livetail.handler.closeViewers();
  await server.close();
  await livetail.close();
  await redis.stop();
});

const placeOf = ({ document, line }: Block): string => `${document}:${line}`;

/** The commands of a block as words, without comments. */
function commandsOf({ text }: Block): string[][] {
  const lines = text.replaceAll("\\\n", " ").split("\n");
  const commands = lines.flatMap((line) => line.replace(/(^|\s)#.*$/, "").split(/ && | \| /));
  return commands
    .map((command) => [...command.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? ""))
    .filter((words) => words.length > 0);
}

/** Runs a command of a block, or checks that it could be run. */
async function tryCommand([program = "", first = "", ...rest]: readonly string[]): Promise<void> {
  const known = [...Object.keys(packageJson.peerDependencies), ...Object.keys(packageJson.devDependencies), "livetail"];
  const here = (word: string): string =>
    word.replace("http://localhost:3000", server.url).replaceAll("RUN_ID", run.id).replace(/^URL$/, server.url);
  switch (`${program} ${first}`) {
    case "npm ci":
      return expect(rest).toEqual([]);
    case "npm test":
      return expect(packageJson.scripts).toHaveProperty("test");
    case "npm install":
      return expect(known).toEqual(expect.arrayContaining(rest));
    case "npm run":
      return expect(Object.keys(packageJson.scripts)).toContain(rest[0]);
    case "npx livetail": {
      const [command = "", ...args] = rest;
      const read = { run: readRunCall, tail: readTailCall, coverage: readCoverageCall }[command];
      return expect(read?.(args.map(here), {})).toEqual(expect.any(Object));
    }
  }
  const args = [first, ...rest].map(here);
  if (program === "redis-cli") expect(await redis.cli(...args)).not.toMatch(/^(?:-?\d*\(?error|ERR|-2$|0$|$)/i);
  else if (program === "curl") await promisify(execFile)("curl", ["--silent", "--fail", "--max-time", "20", ...args]);
  else expect.fail(`No test can tell whether ${program} would do what is said.`);
}

/** The names and kinds of what a JSON value holds. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== "object" || value === null) return value === null ? null : typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shapeOf(inner)]));
}

describe("the documents", () => {
  it("have no block of code of a kind that no test takes, and none that is not closed", () => {
    expect(new Set(blocks.map(({ language }) => language))).toEqual(new Set(Object.keys(TAKEN)));
    for (const [language, file] of Object.entries(TAKEN)) {
      expect(readFileSync(join(ROOT, file), "utf8"), file).toContain(`blocksOf("${language}"`);
    }
    const fences = [...documents.values()].join("\n").match(/^\s*(?:```|~~~)/gm) ?? [];
    expect(blocks).toHaveLength(fences.length / 2);
  });

  it("have TypeScript, and scripts in pages, that compile against the package", () => {
    // Inside the repository, where the blocks find the types of Express and Node.
    const folder = join(ROOT, "node_modules/.cache/livetail-docs");
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');
    writeFileSync(
      join(folder, "page.d.ts"),
      `declare const Livetail: typeof import("livetail/client") & typeof import("livetail/client/sse");
       declare const runId: string;
       declare const list: HTMLElement;`,
    );
    const scripts = blocksOf("html").flatMap((block) =>
      [...block.text.matchAll(/<script>(.*?)<\/script>/gs)].map(([, text = ""]) => ({ ...block, text })),
    );
    const sources = [...blocksOf("ts"), ...scripts];
    const places = new Map<string, string>();
    for (const [i, block] of sources.entries()) {
      const file = join(folder, `${i}.${block.language === "ts" ? "ts" : "js"}`);
      // A module: its names are its own.
      writeFileSync(file, `${block.text}\nexport {};\n`);
      places.set(file, placeOf(block));
    }
    const program = ts.createProgram([...places.keys(), join(folder, "page.d.ts")], {
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      target: ts.ScriptTarget.ES2022,
      strict: true,
      allowJs: true,
      checkJs: true,
      noEmit: true,
      skipLibCheck: true,
      types: ["node"],
      typeRoots: [join(ROOT, "node_modules/@types")],
      paths: {
        livetail: [join(ROOT, "dist/index.d.ts")],
        // A version of those under whose names they are installed here.
        ai: [join(ROOT, "node_modules/ai6/dist/index.d.ts")],
        "@ai-sdk/openai": [join(ROOT, "node_modules/ai6-openai/dist/index.d.ts")],
        "livetail/*": ["adapters/*", "capture/*", "client/*", "store/*", "*", "*/index"].map((path) =>
          join(ROOT, `dist/${path}.d.ts`),
        ),
      },
    });
    const messages = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => ({
      block: places.get(file?.fileName ?? "") ?? file?.fileName.replace(ROOT, ""),
      line: file === undefined ? 0 : file.getLineAndCharacterOfPosition(start ?? 0).line + 1,
      text: ts.flattenDiagnosticMessageText(messageText, "\n"),
    }));
    expect(sources.length).toBeGreaterThan(15);
    expect(messages).toEqual([]);
  }, 120_000);

  it("name elements, attributes and files in pages that there are", async () => {
    const known: Record<string, readonly string[]> = {
      script: ["src"],
      "livetail-panel": [...LivetailPanel.observedAttributes, "cancellable", "standalone"],
      "livetail-runs": LivetailRuns.observedAttributes,
    };
    const tags = blocksOf("html").flatMap((block) =>
      [...block.text.replace(/<script>.*?<\/script>/gs, "").matchAll(/<([a-z-]+)([^>]*)>/g)].map(
        ([, name = "", rest = ""]) => ({ name, rest, place: placeOf(block) }),
      ),
    );
    expect(tags.length).toBeGreaterThan(3);
    for (const { name, rest, place } of tags) {
      for (const [, attribute = "", value = ""] of rest.matchAll(/([\w-]+)(?:="([^"]*)")?/g)) {
        expect(known[name], place).toContain(attribute);
        if (name === "script") expect((await fetch(`${server.url}${value}`)).status, value).toBe(200);
      }
    }
  });

  it.each(blocksOf("sh").map((block) => [placeOf(block), block] as const))(
    "have commands that run: %s",
    async (_, block) => {
      const commands = commandsOf(block);
      expect(commands.length).toBeGreaterThan(0);
      for (const command of commands) await tryCommand(command);
    },
  );

  it("show answers as they are", async () => {
    const answer = await (await fetch(`${server.url}/operations/${run.id}`)).json();
    const shown = blocksOf("json").map(({ text }) => JSON.parse(text));
    expect(shown.map(shapeOf)).toEqual([shapeOf(answer)]);
  });

  it("draw the flow with files that there are", () => {
    const [flow, ...others] = blocksOf("text");
    expect(others).toEqual([]);
    const paths = flow?.text.match(/\bsrc\/[\w./-]+/g) ?? [];
    expect(paths.length).toBeGreaterThan(10);
    for (const path of paths) expect(existsSync(join(ROOT, path.replace(/\.$/, ""))), path).toBe(true);
  });

  it.each([...documents.keys()])("have links that lead somewhere: %s", (path) => {
    const prose = (documents.get(path) ?? "").replace(/^```.*?^```$/gms, "").replace(/`[^`\n]*`/g, "code");
    for (const [, target = "", title] of prose.matchAll(/\]\(([^)\s]+)(?: "([^"]+)")?\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [file = "", anchor] = target.split("#");
      const to = file === "" ? path : join(dirname(path), file);
      expect(existsSync(join(ROOT, to)), `${target} in ${path}`).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(to), `${target} in ${path}`).toContain(anchor);
      // The titles of guarantees are those of test:guarantees; readme.test.ts looks at them.
      if (title !== undefined && path !== "README.md") {
        expect(readFileSync(join(ROOT, to), "utf8"), `${target} in ${path}`).toContain(`"${title}"`);
      }
    }
  });
});

/** The anchors that a document's headings have on the usual forges. */
function anchorsOf(path: string): string[] {
  const text = (documents.get(path) ?? "").replace(/^```.*?^```$/gms, "");
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}
