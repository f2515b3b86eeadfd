/** The README and the guides, with their code blocks. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Where this repository is. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A fenced block of code. */
export interface Block {
  /** The path of its document. */
  readonly document: string;
  /** The line of the document that it begins at. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
}

/** The text of each document by its path in this repository. */
export const documents: ReadonlyMap<string, string> = new Map(
  ["README.md", ...readdirSync(`${ROOT}docs`).map((name) => `docs/${name}`)].map((path) => [
    path,
    readFileSync(`${ROOT}${path}`, "utf8"),
  ]),
);

const FENCE = /^```(\w*)\n(.*?)^```$/gms;

/** All blocks, in their order. */
export const blocks: readonly Block[] = [...documents].flatMap(([document, text]) =>
  [...text.matchAll(FENCE)].map(({ index, 1: language = "", 2: code = "" }) => ({
    document,
    line: text.slice(0, index).split("\n").length + 1,
    language,
    text: code,
  })),
);

/** The blocks of a language, of one document or of all. */
export function blocksOf(language: string, document?: string): readonly Block[] {
  return blocks.filter(
    (block) => block.language === language && (document === undefined || block.document === document),
  );
}
