/** A folder for programs of a guide, outside of this repository, that find the package and others by their names. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./documents.js";

/** Where programs are written. */
export interface ProgramFolder {
  /** Writes a file; returns its path. */
  write(name: string, text: string): string;
  path(name: string): string;
  remove(): void;
}

/** Makes a folder in which `livetail` and these packages are installed. */
export function makeProgramFolder(packages: readonly string[]): ProgramFolder {
  const folder = mkdtempSync(join(tmpdir(), "livetail-programs-"));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules/livetail"));
  for (const name of packages) symlinkSync(join(ROOT, "node_modules", name), join(folder, "node_modules", name));
  const path = (name: string): string => join(folder, name);
  return {
    path,
    write(name, text) {
      writeFileSync(path(name), text);
      return path(name);
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
