import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ERRORS } from "../src/errors.js";
import { guarantees } from "./guarantees.js";
import { blocksOf, documents, ROOT } from "./support/documents.js";
import { occurrences } from "./support/mutant.js";

const readme = documents.get("README.md") ?? "";
const packageJson = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

describe("the README", () => {
  it("says how many dependencies there are", () => {
    expect(readme).toContain(`**${Object.keys(packageJson.dependencies).length}** runtime dependencies`);
  });

  it("promises the sizes that the size test holds", () => {
    const sizes = readFileSync(join(ROOT, "test/client-size.test.ts"), "utf8");
    for (const size of ["2.2 kB", "3.8 kB"]) {
      expect(readme).toContain(size);
      expect(sizes).toContain(`${size} with`);
    }
    const panel = /weighs at most (\S+ kB) more than the client/.exec(
      readFileSync(join(ROOT, "test/panel-size.test.ts"), "utf8"),
    );
    expect(readme).toContain(`weighs ${panel?.[1]} more than the client`);
    const runs = /weighs at most (\S+ kB), gzipped/.exec(readFileSync(join(ROOT, "test/runs-size.test.ts"), "utf8"));
    expect(readme).toContain(`weighs ${runs?.[1]}, gzipped, alone`);
  });

  it("opens with at most 15 lines for the server and 5 for the page", () => {
    const server = blocksOf("ts", "README.md")[0]?.text.trim().split("\n") ?? [];
    expect(server.length).toBeLessThanOrEqual(15);
    const script =
      /<script>\n([\s\S]*?)<\/script>/
        .exec(blocksOf("html", "README.md")[0]?.text ?? "")?.[1]
        ?.trim()
        .split("\n") ?? [];
    expect(script.length).toBeGreaterThan(1);
    expect(script.length).toBeLessThanOrEqual(5);
  });

  it("has every error code with its status, and no other", () => {
    const rows = [...readme.matchAll(/^\| `([A-Z_]+)` \| (\d+|-) \|/gm)].map(([, code, status]) => [code, status]);
    const table = Object.entries(ERRORS).map(([code, [status]]) => [code, status === 0 ? "-" : String(status)]);
    expect(rows.sort()).toEqual(table.sort());
  });

  it("names only scripts and files that exist", () => {
    const scripts = [...readme.matchAll(/npm run ([a-z:]+)/g)].map((match) => match[1] as string);
    expect(Object.keys(packageJson.scripts)).toEqual(expect.arrayContaining(scripts));
    const paths = [...readme.matchAll(/\b(?:src|examples)\/[\w./-]+\w/g)].map((match) => match[0]);
    expect(paths.length).toBeGreaterThan(10);
    for (const path of paths) {
      expect(() => readFileSync(join(ROOT, path)), path).not.toThrow(/ENOENT/);
    }
  });

  it("names a test for each sentence that guarantees something, as proven by test:guarantees", () => {
    const section = /\n## Guarantees and limits\n([\s\S]*?)\n## /.exec(readme)?.[1] ?? "";
    const sentences = section.split("\n").filter((line) => line.startsWith("- "));
    const named = sentences.map(
      (line) => /^- [^.]+(?:\.\w[^.]+)*\. \(\[test\]\((\S+) "([^"]+)"\)\)$/.exec(line)?.slice(1) ?? line,
    );
    expect(named).toEqual(guarantees.map(({ test, title }) => [test, title]));
    for (const { mutation } of guarantees) expect(occurrences(mutation), mutation.find).toBe(1);
  });
});
