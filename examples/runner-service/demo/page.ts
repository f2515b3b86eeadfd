/** The page of the demo: a card for each operation, the run that is chosen, and the list of all. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { postings } from "../world/postings.js";
import type { Framework } from "./frameworks.js";
import { OPERATIONS, type StartedOperation } from "./operations.js";

const STYLE = readFileSync(new URL("./page-style.css", import.meta.url), "utf8");
const SCRIPT = readFileSync(new URL("./page-script.js", import.meta.url), "utf8");

const BROKEN: Record<string, string> = { "job-113": "its page is broken", "job-404": "does not exist" };
const JOBS = ["job-101", "job-103", "job-106", "job-110", ...Object.keys(BROKEN)];

/** What the page says of its service. */
export interface PageOptions {
  framework: Framework;
  /** How long a run without its runner seems alive, in milliseconds; null where there are no runners to kill. */
  leaseMs: number | null;
}

/** Makes the HTML. Its policy allows its own script and style, and those of this server. */
export function pageOf({ framework, leaseMs }: PageOptions): string {
  const policy =
    `default-src 'none'; script-src 'self' ${hashOf(SCRIPT)}; style-src ${hashOf(STYLE)}; ` +
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'";
  const name = framework === "fastify" ? "Fastify" : "Express";
  const place = leaseMs === null ? "runs in the memory of one process" : "runs in Redis, served by two runners";
  const jobs = JOBS.map((id) => [id, BROKEN[id] ?? postings.get(id)?.title ?? ""]);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>Job applications</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>Job applications</h1>
<p>${name}, ${place}</p>
<nav><a href="/operations">All runs</a> <a href="/operations/-/coverage">Which endpoints are blind?</a></nav>
</header>
<main>
<section class="start" aria-label="Operations">
<p class="job"><label for="job">Job</label> ${select("job", jobs)}</p>
${OPERATIONS.map(cardOf).join("\n")}
</section>
<section class="watch" aria-label="The run">
${leaseMs === null ? "" : runnersOf(leaseMs)}
<livetail-panel src="/operations" cancellable></livetail-panel>
</section>
<section class="recent" aria-label="All runs">
<livetail-runs src="/operations" query="limit=50"></livetail-runs>
</section>
</main>
<script src="/operations/-/client.js"></script>
<script src="/operations/-/panel.js"></script>
<script src="/operations/-/runs.js"></script>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

function cardOf({ operation, title, text, path, body, choice }: StartedOperation): string {
  const more = choice === undefined ? "" : select(choice[0], Object.entries(choice[1]), title);
  return `<form data-operation="${operation}" data-path="${path}" data-body='${JSON.stringify(body)}'>
<h2>${title}</h2>
<button>Start</button>
<p>${text}</p>
${more}
<output></output>
</form>`;
}

function select(name: string, options: string[][], label = ""): string {
  const named = label === "" ? `id="${name}"` : `aria-label="${label}"`;
  const items = options.map(
    ([value, text]) => `<option value="${value}">${name === "job" ? `${value}: ` : ""}${text}</option>`,
  );
  return `<select name="${name}" ${named}>${items.join("")}</select>`;
}

function runnersOf(leaseMs: number): string {
  const seconds = Math.ceil((leaseMs * (1 + 4 / 3)) / 1000);
  return `<div class="runners">
<ul aria-label="Runners"></ul>
<p>Kill a runner while it works: its run is still there to be watched through the other one, and fails as OWNER_LOST about ${seconds} seconds later.</p>
</div>`;
}

function hashOf(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}
