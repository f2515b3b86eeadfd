/** A real operation: reads every file of a folder and makes an index of its words and imports. */
import { open, readdir } from "node:fs/promises";
import { dirname, join, posix, relative, sep } from "node:path";
import { promisify } from "node:util";
import { brotliCompress } from "node:zlib";
import type { Run } from "livetail";

/** What comes out: the result of the run. */
export interface RepositoryIndex {
  files: number;
  bytes: number;
  lines: number;
  words: number;
  imports: number;
  /** The ten most used words, and how often they occur. */
  top_words: Record<string, number>;
  /** The ten files that most others import, and how many do. */
  most_imported: Record<string, number>;
}

interface SourceFile {
  /** Relative to the folder, with slashes. */
  path: string;
  text: string;
}

const SKIPPED = new Set(["node_modules", "dist", "coverage"]);
const FIRST_BUFFER_BYTES = 65_536;
const compress = promisify(brotliCompress);

/** Indexes the folder at `root`; tells `run` of every folder, file and import. Rejects with what the file system says. */
export async function indexRepository(run: Run, root: string): Promise<RepositoryIndex> {
  const paths = await inLayer(run, "discover", () => discover(run, root));
  const files = await inLayer(run, "read", () => read(run, root, paths));
  const found = await inLayer(run, "analyse", () => analyse(run, files));
  return inLayer(run, "report", async () => report(run, found));
}

async function inLayer<T>(run: Run, layer: string, work: () => Promise<T>): Promise<T> {
  run.layer(layer, "running");
  const result = await work();
  run.layer(layer, "success");
  return result;
}

/** All files below `root` but those that are hidden, built or installed. */
async function discover(run: Run, root: string): Promise<string[]> {
  const paths: string[] = [];
  const folders = [root];
  for (const folder of folders) {
    const entries = await readdir(folder, { withFileTypes: true });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    const visible = entries.filter(({ name }) => !name.startsWith(".") && !SKIPPED.has(name));
    const files = visible.filter((entry) => entry.isFile()).map(({ name }) => pathBelow(root, join(folder, name)));
    paths.push(...files);
    folders.push(...visible.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name)));
    run.log({ event: "folder_found", message: `${pathBelow(root, folder) || "."}: ${files.length} files` });
  }
  return paths;
}

function pathBelow(root: string, path: string): string {
  return relative(root, path).split(sep).join("/");
}

/**
 * Reads the files through one buffer. It begins with a small one, so the step fails at the first file that is larger,
 * and is tried again from there with a buffer that is large enough.
 */
async function read(run: Run, root: string, paths: readonly string[]): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  let buffer = Buffer.alloc(FIRST_BUFFER_BYTES);
  for (let attempt = 1; files.length < paths.length; ) {
    const path = paths[files.length] as string;
    try {
      const text = await readThrough(buffer, join(root, path));
      files.push({ path, text });
      run.log(`read ${path} (${text.length.toLocaleString("en")} characters)`);
      run.layer("read", "running", undefined, { current: files.length, total: paths.length });
    } catch (error) {
      if (!(error instanceof TooLarge)) throw error;
      attempt += 1;
      const message = `${path} has ${error.bytes.toLocaleString("en")} bytes, the buffer ${buffer.length.toLocaleString("en")}`;
      run.layer("read", "failed", message);
      run.log({
        event: "retry_attempt",
        level: "warn",
        message: `reading failed: ${message}; attempt ${attempt}`,
        attempt,
      });
      await run.flush();
      buffer = Buffer.alloc(error.bytes);
      run.layer("read", "running", `attempt ${attempt}`);
    }
  }
  return files;
}

class TooLarge extends Error {
  constructor(readonly bytes: number) {
    super(`The file has ${bytes} bytes.`);
  }
}

async function readThrough(buffer: Buffer, path: string): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (size > buffer.length) throw new TooLarge(size);
    const { bytesRead } = await file.read(buffer, 0, size, 0);
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await file.close();
  }
}

interface Findings {
  files: number;
  bytes: number;
  lines: number;
  /** How often each word occurs. */
  words: Map<string, number>;
  /** How many files import each file. */
  importers: Map<string, number>;
}

async function analyse(run: Run, files: readonly SourceFile[]): Promise<Findings> {
  const known = new Set(files.map(({ path }) => path));
  const found: Findings = { files: files.length, bytes: 0, lines: 0, words: new Map(), importers: new Map() };
  for (const [i, { path, text }] of files.entries()) {
    const words = text.match(/[A-Za-z_]\w{2,}/g) ?? [];
    for (const word of words) add(found.words, word);
    const imports = importsOf(path, text).filter((imported) => known.has(imported));
    for (const imported of imports) {
      add(found.importers, imported);
      run.log(`${path} imports ${imported}`);
    }
    const lines = text.split("\n").length;
    const bytes = Buffer.byteLength(text);
    const packed = await compress(text);
    found.lines += lines;
    found.bytes += bytes;
    run.log({
      event: "file_analysed",
      message: `${path}: ${lines} lines, ${words.length} words`,
      compressed_to: `${Math.round((packed.length / Math.max(1, bytes)) * 100)} %`,
    });
    run.layer("analyse", "running", undefined, { current: i + 1, total: files.length });
  }
  return found;
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** The files that a source file imports by a relative path; sources name each other as `.js`. */
function importsOf(path: string, text: string): string[] {
  if (!/\.[cm]?[jt]s$/.test(path)) return [];
  const imported = [...text.matchAll(/\b(?:from|import) "(\.[^"\n]*)"/g)].map(([, to]) => to as string);
  return imported.map((to) => posix.join(dirname(path), to).replace(/\.js$/, ".ts"));
}

function report(run: Run, { files, bytes, lines, words, importers }: Findings): RepositoryIndex {
  const sum = (counts: Map<string, number>): number => [...counts.values()].reduce((total, count) => total + count, 0);
  const index: RepositoryIndex = {
    ...{ files, bytes, lines, words: sum(words), imports: sum(importers) },
    top_words: most(words),
    most_imported: most(importers),
  };
  for (const [path, count] of Object.entries(index.most_imported)) run.log(`${path} is imported by ${count} files`);
  for (const [word, count] of Object.entries(index.top_words)) run.log(`the word ${word} occurs ${count} times`);
  const said = [`${files} files`, `${lines} lines`, `${index.words} words`, `${index.imports} imports`].join(", ");
  run.log(`indexed ${said}`);
  return index;
}

function most(counts: Map<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a).slice(0, 10));
}
