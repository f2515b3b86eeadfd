/** JSON in a file, which several processes may read and write. */
import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** The file of a record; an id may be any text. */
export function jsonPath(folder: string, id: string): string {
  return join(folder, `${encodeURIComponent(id)}.json`);
}

/** What the file holds; undefined when there is none. */
export async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Writes the file at once: whoever reads it meanwhile gets what was there before. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, JSON.stringify(value, null, 2));
  await rename(draft, path);
}
