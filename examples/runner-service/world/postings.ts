/** The data of the job board: companies with their people, and postings, made from lists by counting, without chance. */

/** Somebody at a company to write to. */
export interface Person {
  name: string;
  role: string;
  email: string;
  kind: "hiring_manager" | "recruiter";
}

/** A company whose page tells of it and its people. */
export interface Company {
  slug: string;
  name: string;
  about: string;
  people: Person[];
}

/** A place that lists postings. */
export type Source = "indeed" | "bayt" | "himalayas";

/** A job that is open. */
export interface Posting {
  /** `job-101` and so on. */
  id: string;
  title: string;
  company: Company;
  location: string;
  salary: string;
  /** A day, such as `2026-01-14`. */
  posted: string;
  requirements: string[];
  /** Where it is listed: one or two places. */
  sources: Source[];
}

const COMPANIES: [name: string, about: string][] = [
  ["Northwind", "runs the warehouses of four hundred shops in northern Europe, and forecasts what they will sell."],
  ["Lumen Health", "gives hospitals one view of a patient's results, from the laboratory to the ward."],
  ["Parcelbird", "delivers parcels by bicycle in thirty cities and plans every tour anew each morning."],
  ["Octave", "sells sheet music and practice software to half a million amateur musicians."],
  ["Greenmeter", "reads two million electricity meters and tells their owners where the power goes."],
  ["Ferrovia", "operates night trains across the Alps and sells their last free beds at a fair price."],
  ["Tallyhouse", "keeps the books of small companies and files their taxes without a single form."],
  ["Saltmarsh", "insures farms against weather, with satellite pictures instead of assessors."],
  ["Quillstack", "is the editor in which newsrooms write, check and publish."],
  ["Brightloom", "weaves textiles to order and tracks every thread from the field to the shop."],
  ["Aldermoor Games", "makes slow multiplayer games that are played for months, one move a day."],
  ["Civitas", "builds the software in which citizens apply, pay and appeal in sixty towns."],
];

const FIRST_NAMES = ["Amira", "Jonas", "Priya", "Tomasz", "Elena", "Kwame", "Ingrid", "Rafael", "Mei", "Omar", "Nora"];
const LAST_NAMES = ["Haddad", "Lindqvist", "Raman", "Kowalski", "Petrova", "Mensah", "Bauer", "Costa", "Tanaka"];
const MANAGERS = ["Head of Engineering", "Director of Data", "VP Engineering", "Engineering Manager"];
const RECRUITERS = ["Talent Partner", "Technical Recruiter"];

const LOCATIONS = ["Berlin", "Remote (Europe)", "Amsterdam", "Dubai", "Lisbon", "Remote (worldwide)", "Vienna"];
const LEVELS = ["Senior ", "", "Lead ", "Staff "];
const TITLES: [title: string, field: keyof typeof REQUIREMENTS][] = [
  ["Data Engineer", "data"],
  ["Backend Engineer", "backend"],
  ["Machine Learning Engineer", "learning"],
  ["Platform Engineer", "platform"],
  ["Analytics Engineer", "data"],
  ["Frontend Engineer", "frontend"],
  ["Data Platform Engineer", "data"],
  ["Integration Engineer", "backend"],
  ["AI Engineer", "learning"],
  ["Site Reliability Engineer", "platform"],
];

const REQUIREMENTS = {
  data: [
    "You have built batch and streaming pipelines in Python and Spark that others depend on every morning.",
    "You model data in SQL and dbt so that two teams asking the same question get the same number.",
    "You know how to run Airflow without being woken up by it.",
    "Experience with Kafka, including what happens to consumers when a broker goes away.",
    "You have moved a warehouse to Snowflake or BigQuery and can say what it cost.",
    "You write tests for data as a matter of course, and alerts only for what somebody can act on.",
    "Good command of PostgreSQL: you read a query plan before adding an index.",
    "You explain a late number to a manager without naming a single tool.",
  ],
  backend: [
    "Several years of TypeScript on Node.js, or the will to come over from Java or Go.",
    "You design REST interfaces that do not break their callers, and say no to the ones that would.",
    "You have operated PostgreSQL and Redis under load, and restored both from a backup.",
    "You know when a queue such as Kafka helps and when it only moves the problem.",
    "You have taken over a service without documentation and left it with some.",
    "Experience with Docker and CI/CD: what you merge in the morning runs by noon.",
    "You measure before you optimise; OpenTelemetry or Prometheus are tools to you, not decorations.",
    "You review code so that people like to be reviewed by you.",
  ],
  frontend: [
    "You build interfaces in React and TypeScript that stay quick on a five-year-old phone.",
    "You know CSS well enough to leave most libraries out.",
    "Accessibility is part of your definition of done, and you test with a keyboard and a screen reader.",
    "You have worked with designers from the first sketch, and argued for the user when it was awkward.",
    "You test what users do with Playwright, not how components are wired.",
    "Experience with GraphQL on the client, caching and its traps included.",
    "You have brought an old JavaScript code base forward without a rewrite.",
  ],
  platform: [
    "You run Kubernetes clusters that product teams use without asking you.",
    "Everything you build stands in Terraform, reviewed like any other code.",
    "Solid knowledge of Linux and networks: you find the lost packet.",
    "You have lowered the bill of an AWS or GCP account by a number you remember.",
    "You set up Prometheus and Grafana so that a graph answers a question.",
    "You have led the review of an outage in which nobody had to be ashamed.",
    "You write small tools in Go or Python that outlive you.",
    "You take part in a rota, one week in six, and get the time to remove what woke you.",
  ],
  learning: [
    "You have put models into production with PyTorch or scikit-learn and kept them honest for a year.",
    "Hands-on experience with LLMs: prompts, evaluation, cost, and knowing when a rule is enough.",
    "You have built retrieval with embeddings and can tell why RAG answered wrongly.",
    "Strong Python, tested and typed, that a backend engineer can take over.",
    "You version data, code and models together, with MLflow or something simpler.",
    "You deploy what you build: Docker, CI/CD and a budget for every call.",
    "You can explain precision and recall to a lawyer.",
    "Experience with pandas and SQL on data that nobody has cleaned before you.",
  ],
} as const;

const WHERE: Source[][] = [["indeed", "himalayas"], ["bayt"], ["himalayas"], ["indeed", "bayt"]];

/** The companies by their slug. */
export const companies: ReadonlyMap<string, Company> = new Map(
  COMPANIES.map(([name, about], i) => {
    const slug = name.toLowerCase().replaceAll(" ", "-");
    const count = i % 3 === 0 ? 3 : 2;
    const people = Array.from({ length: count }, (_, j) => personOf(slug, i * 3 + j, j));
    return [slug, { slug, name, about: `${name} ${about}`, people }];
  }),
);

function personOf(slug: string, n: number, place: number): Person {
  const [first, last] = [pick(FIRST_NAMES, n), pick(LAST_NAMES, n)];
  const kind = place === 1 ? "recruiter" : "hiring_manager";
  return {
    name: `${first} ${last}`,
    role: pick(kind === "recruiter" ? RECRUITERS : MANAGERS, n),
    email: `${first}.${last}@${slug}.example`.toLowerCase(),
    kind,
  };
}

/** All postings by their id, the newest first. */
export const postings: ReadonlyMap<string, Posting> = new Map(
  Array.from({ length: 40 }, (_, i) => {
    const [title, field] = pick(TITLES, i);
    const sentences = REQUIREMENTS[field];
    const id = `job-${101 + i}`;
    const from = 58 + ((i * 7) % 30);
    const posting: Posting = {
      id,
      title: `${pick(LEVELS, i + Math.floor(i / TITLES.length))}${title}`,
      company: pick([...companies.values()], i * 5),
      location: pick(LOCATIONS, i * 3),
      salary: `EUR ${from},000 to ${from + 18},000`,
      posted: new Date(Date.UTC(2026, 0, 14) - Math.floor(i / 2) * 86_400_000).toISOString().slice(0, 10),
      requirements: Array.from({ length: 5 + (i % 3) }, (_, j) => pick(sentences, i + j)),
      sources: pick(WHERE, i),
    };
    return [id, posting];
  }),
);

function pick<T>(list: readonly T[], n: number): T {
  return list[n % list.length] as T;
}
