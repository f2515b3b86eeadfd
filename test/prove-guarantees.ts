/**
 * Proves the README's "Guarantees and limits": for each sentence, the test that it names succeeds, and fails when the
 * mutation that stands beside it in `guarantees.ts` is made in a copy of the repository. Run by
 * `npm run test:guarantees`; words on the command line choose the tests whose titles hold one of them.
 */
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Guarantee, guarantees } from "./guarantees.js";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const AT_ONCE = 2;
/** Not copied; those that tests need are linked. */
const LINKED = ["node_modules", "dist"];
const LEFT_OUT = [...LINKED, ".git"];
/** A mutant may wait for what never comes. */
const DEADLINE_MS = 180_000;

/** What became of the tests of one title. A mutant that takes all memory ends its vitest, which then says nothing. */
type Outcome = "passed" | "failed" | "not there" | "ended without a report";

const words = process.argv.slice(2);
const waiting = guarantees.filter(({ title }) => words.length === 0 || words.some((word) => title.includes(word)));
const chosen = waiting.length;
let unproven = 0;

await Promise.all(Array.from({ length: AT_ONCE }, proveInCopy));
console.log(`${chosen - unproven} of ${chosen} guarantees proven: each test passes, and fails under its mutation.`);
process.exitCode = unproven === 0 && chosen > 0 ? 0 : 1;

/** Proves one guarantee after the other in a copy of the repository. */
async function proveInCopy(): Promise<void> {
  const copy = mkdtempSync(join(tmpdir(), "livetail-guarantees-"));
  try {
    cpSync(ROOT, copy, { recursive: true, filter: (from) => !LEFT_OUT.includes(basename(from)) });
    for (const name of LINKED) symlinkSync(join(ROOT, name), join(copy, name));
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await prove(copy, next);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

async function prove(copy: string, guarantee: Guarantee): Promise<void> {
  const { test, title, mutation } = guarantee;
  const file = join(copy, mutation.file);
  const source = readFileSync(file, "utf8");
  if (source.split(mutation.find).length !== 2)
    throw new Error(`Not exactly once in ${mutation.file}: ${mutation.find}`);
  const asIs = await outcomeIn(copy, guarantee);
  writeFileSync(
    file,
    source.replace(mutation.find, () => mutation.replace),
  );
  const mutated = asIs === "passed" ? await outcomeIn(copy, guarantee) : asIs;
  writeFileSync(file, source);
  const proven = asIs === "passed" && mutated === "failed";
  if (!proven) unproven += 1;
  const why = asIs === "passed" ? `it ${mutated} though ${mutation.name}` : `it ${asIs} with nothing changed`;
  console.log(`${proven ? "✓" : "✗"} ${test}: ${title}${proven ? "" : `\n  ${why}`}`);
}

/** Runs the tests of a title in a copy. A mutant that cannot even be loaded proves nothing: no test of it runs. */
async function outcomeIn(copy: string, { test, title }: Guarantee): Promise<Outcome> {
  const report = join(copy, "report.json");
  rmSync(report, { force: true });
  const pattern = `${title.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`;
  const args = ["run", test, "-t", pattern, "--reporter=json", `--outputFile=${report}`];
  const child = spawn(process.execPath, [join(copy, "node_modules/vitest/vitest.mjs"), ...args], {
    cwd: copy,
    stdio: "ignore",
    detached: true,
  });
  const group = child.pid;
  if (group === undefined) throw new Error("vitest cannot be started.");
  const deadline = setTimeout(() => process.kill(-group, "SIGKILL"), DEADLINE_MS);
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  clearTimeout(deadline);
  endGroup(group);
  if (code === null) return "failed";
  if (!existsSync(report)) return "ended without a report";
  const { testResults } = JSON.parse(readFileSync(report, "utf8")) as {
    testResults: { assertionResults: { status: string }[] }[];
  };
  const outcomes = testResults.flatMap(({ assertionResults }) => assertionResults.map(({ status }) => status));
  const ran = outcomes.filter((status) => status === "passed" || status === "failed");
  if (ran.length === 0) return "not there";
  return ran.includes("failed") ? "failed" : "passed";
}

/** A worker whose mutant never comes to an end outlives its vitest. */
function endGroup(group: number): void {
  try {
    process.kill(-group, "SIGKILL");
  } catch {
    // Nobody is left of it.
  }
}
