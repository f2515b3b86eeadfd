/** The retrofit of the example's service, as git shows it: `npm run retrofit-diff` writes it anew. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { requireProgram } from "./program.js";

const EXAMPLE = fileURLToPath(new URL("../../examples/runner-service/", import.meta.url));

/** Where it is kept. */
export const RETROFIT_FILE = `${EXAMPLE}retrofit.diff`;

// Said in full, so that nobody's configuration has a say.
const FORMAT = "--no-color --no-ext-diff --diff-algorithm=myers --unified=3 --src-prefix=a/ --dst-prefix=b/".split(" ");

/** What changed in the files that are there before and after, without what git says of its own storage. */
export function retrofitDiff(): string {
  const git = requireProgram(["git"], "git");
  const diffs = readdirSync(`${EXAMPLE}before`)
    .sort()
    .map((name) => {
      const args = ["diff", "--no-index", ...FORMAT, `before/${name}`, `after/${name}`];
      const { stdout, stderr, status, error } = spawnSync(git, args, { cwd: EXAMPLE, encoding: "utf8" });
      if (error !== undefined || status !== 1) throw error ?? new Error(`git ends with ${status}: ${stderr}`);
      return stdout.replace(/^index .*\n/m, "");
    });
  return diffs.join("");
}
