import { type BenchLine, benchLines } from "./inputs.js";

/** The lines of every run of `model.ts`, over and over. */
export const MODEL_LINES: readonly BenchLine[] = benchLines(1000);
