/** The names of technologies that the models know, as everybody spells them. */
const SKILLS = [
  ...[
    "Python",
    "SQL",
    "Spark",
    "Kafka",
    "Airflow",
    "dbt",
    "Snowflake",
    "BigQuery",
    "PostgreSQL",
    "Redis",
    "Elasticsearch",
  ],
  ...["Kubernetes", "Docker", "Terraform", "AWS", "GCP", "Linux", "Prometheus", "Grafana", "OpenTelemetry", "CI/CD"],
  ...[
    "TypeScript",
    "JavaScript",
    "React",
    "Vue",
    "Node.js",
    "GraphQL",
    "REST",
    "CSS",
    "Playwright",
    "Go",
    "Java",
    "Rust",
  ],
  ...["PyTorch", "scikit-learn", "LLMs", "RAG", "embeddings", "MLflow", "pandas", "Looker", "gRPC"],
] as const;

const PATTERNS = SKILLS.map((skill) => ({
  skill,
  // A name is a whole word: "Go" is not in "Google", "REST" not in "interest".
  pattern: new RegExp(`(?<![\\w.])${skill.replace(/[.+/]/g, "\\$&")}(?!\\w)`),
}));

/** The technologies that `text` names, in the order of the list. */
export function skillsIn(text: string): string[] {
  return PATTERNS.filter(({ pattern }) => pattern.test(text)).map(({ skill }) => skill);
}
