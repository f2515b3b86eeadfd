/** What the benchmarks log: lines of the kinds and sizes that long operations write, the same at every run. */

/** A line as it is handed to a logger. */
export type BenchLine = Record<string, unknown> & { message: string };

const ENGLISH = [
  "done, going on",
  "fetched the next page of results from the provider",
  "wrote the embedding to the index",
  "the answer did not match the schema, asking again with the error",
  "skipped a document that has not changed since the last run",
  "scored the posting against the profile: strong on backend, weak on the German requirement",
  "retrying after a timeout of the upstream service",
] as const;
const GERMAN = [
  "Überprüfung der Zusammenfassung für den Bewerber abgeschlossen – keine Abweichung gefunden",
  "nächste Seite geladen",
  "Antwort passt nicht zum Schema, neuer Versuch mit der Fehlermeldung",
] as const;
const JAPANESE = [
  "求人票を解析し、必須スキルと歓迎スキルを抽出しました",
  "次のページを取得しました",
  "応答がスキーマと一致しないため、エラーを添えて再試行します",
] as const;

/** Two lines of nine are in another language than English; none is in two. */
const LANGUAGES = [ENGLISH, ENGLISH, ENGLISH, ENGLISH, ENGLISH, ENGLISH, ENGLISH, GERMAN, JAPANESE] as const;

const MODELS = ["claude-sonnet-4-5", "gpt-5-mini", "gemini-2.5-flash"] as const;

/**
 * `count` lines as objects, 80 bytes to 4 kB each as JSON: mostly short progress, some with fields, some model calls
 * with previews, a few tracebacks. The same `count` gives the same lines.
 */
export function benchLines(count: number): BenchLine[] {
  const random = mulberry32(20_260_114);
  return Array.from({ length: count }, (_, index) => benchLine(index, random));
}

/** `count` of such lines with 850 to 1,050 bytes of JSON each: model calls and tracebacks. */
export function kilobyteLines(count: number): BenchLine[] {
  const lines = benchLines(60 * count).filter((line) => {
    const bytes = Buffer.byteLength(JSON.stringify(line));
    return bytes >= 850 && bytes <= 1050;
  });
  return lines.slice(0, count);
}

function benchLine(index: number, random: () => number): BenchLine {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const phrases: readonly string[] = pick(LANGUAGES);
  const prose = (length: number): string => {
    let text = "";
    while (text.length < length) text += `${pick(phrases)}. `;
    return text;
  };
  const layer = `layer_${index % 7}`;
  const kind = random();
  if (kind < 0.6) {
    return {
      level: "info",
      message: `item ${index}: ${pick(phrases)}`,
      layer,
      duration_ms: Math.floor(random() * 900),
    };
  }
  if (kind < 0.85) {
    const metadata = {
      attempt: 1 + Math.floor(random() * 3),
      url: `https://example.com/jobs/${index}`,
      tags: ["a", "b"],
    };
    return { level: "info", event: "fetch_complete", message: prose(150 + random() * 250), layer, metadata };
  }
  if (kind < 0.95) {
    return {
      ...{ level: "info", event: "llm_call_complete", message: `grader: complete ${index}`, layer, backend: "litellm" },
      ...{ model: pick(MODELS), input_tokens: Math.floor(random() * 9000), output_tokens: Math.floor(random() * 2000) },
      ...{ cost_usd: Math.round(random() * 5e4) / 1e6, prompt_preview: prose(200 + random() * 400) },
      result_preview: prose(200 + random() * 400),
    };
  }
  const frames = Array.from({ length: 15 + Math.floor(random() * 40) }, (_, depth) => {
    return `    at step${depth} (file:///srv/app/dist/pipeline/stage-${depth % 5}.js:${100 + depth}:17)`;
  });
  return { level: "error", event: "layer_error", message: `item ${index} failed`, layer, traceback: frames.join("\n") };
}

/** A small seeded generator of numbers from 0 to 1. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
