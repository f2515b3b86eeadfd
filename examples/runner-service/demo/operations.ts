/** The operations of the service, as the page and `npm run demo -- --once` start them. */

/** A request that starts an operation; in its path and body `{job}` and the names of choices stand for what is chosen. */
export interface StartedOperation {
  operation: string;
  title: string;
  /** What it does, in a sentence. */
  text: string;
  path: string;
  body: object;
  /** What is chosen besides the job: a name, and value → label. */
  choice?: [name: string, options: Record<string, string>];
}

/** All of them. */
export const OPERATIONS: readonly StartedOperation[] = [
  {
    operation: "import-job",
    title: "Import a job",
    text: "Scrapes the posting and its company; a model reads the fields.",
    path: "/jobs/import",
    body: { job_id: "{job}" },
  },
  {
    operation: "search-jobs",
    title: "Search three job sites",
    text: "Looks for data engineers, page by page; one site is too busy at first. A model ranks them.",
    path: "/job-search",
    body: { titles: ["data engineer"] },
  },
  {
    operation: "ingest-jobs",
    title: "Ingest new jobs",
    text: "Fetches the twelve newest, skips what is known, and has a model score the rest.",
    path: "/jobs/ingest",
    body: { source: "himalayas", limit: 12 },
  },
  {
    operation: "annotate-job",
    title: "Annotate the job",
    text: "Finds evidence in the profile for each requirement.",
    path: "/jobs/{job}/annotations",
    body: {},
  },
  {
    operation: "write-outreach",
    title: "Write to the company",
    text: "Answers as it always did, only when all is written. For recruiters Claude is overloaded, and GPT stands in.",
    path: "/jobs/{job}/outreach",
    body: { kind: "{kind}" },
    choice: ["kind", { hiring_manager: "Hiring managers", recruiter: "Recruiters" }],
  },
  {
    operation: "write-cv",
    title: "Write a CV for the job",
    text: "Analyses, drafts a section for each role, reviews, and rewrites what fails.",
    path: "/jobs/{job}/cv",
    body: {},
  },
];
