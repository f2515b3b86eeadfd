import { execFile, execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createContext, runInContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensureBuilt } from "./support/built.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CONDITIONS = ["import", "require"] as const;

interface Manifest {
  version: string;
  bin: Record<string, string>;
  exports: Record<string, string | Record<(typeof CONDITIONS)[number], { types: string; default: string }>>;
}

const manifest: Manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const modules = Object.entries(manifest.exports).flatMap(([subpath, target]) =>
  typeof target === "string" ? [] : [[subpath.replace(".", "livetail"), target] as const],
);

/** A project that has the packed package among its modules, as a user would. */
let project: string;
let installed: string;

// A build takes a while on a machine that does other things.
beforeAll(async () => {
  await ensureBuilt();
  project = mkdtempSync(join(tmpdir(), "livetail-package-"));
  installed = join(project, "node_modules", "livetail");
  mkdirSync(installed, { recursive: true });
  const packed = execFileSync("npm", ["pack", "--json", "--silent", "--pack-destination", project], { cwd: ROOT });
  const { filename } = JSON.parse(packed.toString())[0];
  execFileSync("tar", ["-xzf", join(project, filename), "-C", installed, "--strip-components", "1"]);
  for (const scope of ["@types", "@pydantic"]) mkdirSync(join(project, "node_modules", scope));
  const peers = ["ioredis", "fastify", "react", "rxjs", "tslib", "vue", "winston-transport", "@pydantic/genai-prices"];
  for (const name of ["zod", "eventsource-parser", "@types/express", "@types/node", ...peers]) {
    symlinkSync(join(ROOT, "node_modules", name), join(project, "node_modules", name));
  }
}, 180_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

/** Runs `code` in a node process of the project and resolves to what it printed as JSON. */
async function inProject(file: string, code: string): Promise<unknown> {
  writeFileSync(join(project, file), code);
  const { stdout } = await promisify(execFile)(process.execPath, ["--no-warnings", file], { cwd: project });
  return JSON.parse(stdout);
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe("the packed package", () => {
  test("holds the built files and its papers, and nothing else", () => {
    expect(readdirSync(installed).sort()).toEqual([
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "dist",
      "docs",
      "package.json",
    ]);
  });

  test("holds every file that its exports and bin name", () => {
    const targets = Object.values(manifest.exports).flatMap((target) =>
      typeof target === "string" ? [target] : CONDITIONS.flatMap((condition) => Object.values(target[condition])),
    );
    const missing = [...targets, ...Object.values(manifest.bin)].filter(
      (file) => statSync(join(installed, file), { throwIfNoEntry: false }) === undefined,
    );
    expect(missing).toEqual([]);
  });

  test.each(modules)("%s has the same names for import and for require", async (name) => {
    const printNames = "console.log(JSON.stringify(Object.keys(it).filter((key) => key !== 'default').sort()))";
    const imported = await inProject("names.mjs", `import * as it from "${name}"; ${printNames}`);
    const required = await inProject("names.cjs", `const it = require("${name}"); ${printNames}`);
    expect(imported).not.toEqual([]);
    expect(required).toEqual(imported);
  });

  test("shares the current run between its two formats", async () => {
    const code = `
      import { createRequire } from "node:module";
      import * as imported from "livetail";
      const required = createRequire(import.meta.url)("livetail");
      const ids = {};
      await imported.runOperation("a", "b", (run) => { ids.run = run.id; ids.required = required.currentRun()?.id; });
      await required.runOperation("a", "b", (run) => { ids.other = run.id; ids.imported = imported.currentRun()?.id; });
      console.log(JSON.stringify(ids));
      await imported.defaultLivetail().close();
    `;
    const ids = (await inProject("shared.mjs", code)) as Record<string, string>;
    expect(ids.run).toMatch(/^op_b_/);
    expect(ids.required).toBe(ids.run);
    expect(ids.other).toMatch(/^op_b_/);
    expect(ids.imported).toBe(ids.other);
  });

  test.each(["mjs", "cjs"])("finds ioredis by itself for a URL, from a file of %s", async (format) => {
    const load =
      format === "mjs"
        ? 'import { redisStore } from "livetail/redis"'
        : 'const { redisStore } = require("livetail/redis")';
    // Nothing listens on port 1: what is asked here is that the client could be made.
    const code = `${load};
      const store = redisStore({ client: "redis://127.0.0.1:1", commandTimeoutMs: 50 });
      store.ping().then(async (answered) => { await store.close(); console.log(JSON.stringify({ answered })); });`;
    expect(await inProject(`redis.${format}`, code)).toEqual({ answered: false });
  });

  test("compiles for a TypeScript user of either format, with every declaration checked", async () => {
    const imports = modules.map(([name], index) => `import * as m${index} from "${name}";`).join("\n");
    const use = `${imports}
      const livetail: m0.Livetail = m0.createLivetail();
      const run = livetail.createOperationRun("subject", "operation");
      run.log("text", { a: 1 });
      export const names = [${modules.map((_, index) => `m${index}`).join(", ")}];\n`;
    for (const file of ["use.mts", "use.cts"]) writeFileSync(join(project, file), use);
    const options = ["--noEmit", "--strict", "--module", "node16", "--target", "es2022", "--types", "node"];
    const lib = ["--lib", "es2023,dom,dom.iterable"];
    const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    const compile = promisify(execFile)(process.execPath, [tsc, ...options, ...lib, "use.mts", "use.cts"], {
      cwd: project,
    });
    const { stdout } = await compile.catch((error: { stdout: string }) => error);
    expect(stdout).toBe("");
  }, 120_000);

  test("answers --version and --help on the command line", async () => {
    const bin = join(installed, manifest.bin.livetail ?? "");
    const version = await promisify(execFile)(bin, ["--version"]);
    expect(version.stdout.trim()).toBe(manifest.version);
    const help = await promisify(execFile)(bin, ["--help"]);
    expect(help.stdout).toContain("livetail run");
    expect(help.stdout).toContain("livetail tail");
  });

  test("has a classic script for a page that defines Livetail and nothing else", () => {
    const page = createContext({});
    runInContext(readFileSync(join(installed, "dist/browser/livetail.global.js"), "utf8"), page);
    expect(Object.keys(page)).toEqual(["Livetail"]);
    expect(runInContext("typeof Livetail.LogPoller", page)).toBe("function");
  });

  test.each([
    ["panel", "livetail-panel"],
    ["runs", "livetail-runs"],
  ])(
    "has a classic script %s for a page that defines <%s>, leaves no name behind, and does nothing elsewhere",
    (file, name) => {
      const script = readFileSync(join(installed, `dist/browser/${file}.global.js`), "utf8");
      const defined: string[] = [];
      const elements = { get: () => undefined, define: (name: string) => defined.push(name) };
      for (const globals of [{}, { HTMLElement: class {}, customElements: elements }]) {
        const page = createContext({ ...globals });
        runInContext(script, page);
        expect(Object.keys(page)).toEqual(Object.keys(globals));
      }
      expect(defined).toEqual([name]);
    },
  );

  test("says nothing of the machine that it was built on", () => {
    const places = [ROOT, homedir()].map((path) => path.replace(/\/*$/, "/")).filter((path) => path !== "/");
    const telling = filesBelow(installed).filter((file) => {
      const text = readFileSync(file, "utf8");
      return places.some((place) => text.includes(place));
    });
    expect(telling).toEqual([]);
  });
});
