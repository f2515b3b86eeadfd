/** A role that the candidate had. */
export interface Role {
  title: string;
  company: string;
  years: string;
  bullets: string[];
}

/** The candidate, for whom the service works. */
export const PROFILE: { name: string; roles: Role[]; skills: string[] } = {
  name: "Robin Okafor",
  roles: [
    {
      title: "Senior Data Engineer",
      company: "Lantern Analytics",
      years: "2021 to now",
      bullets: [
        "Moved 40 nightly Airflow jobs to streaming with Kafka and Spark, so that reports are minutes old instead of a day",
        "Cut the warehouse bill by a third with dbt models that load only what has changed into Snowflake",
        "Led a team of four, with a rota, runbooks and blameless reviews",
      ],
    },
    {
      title: "Backend Engineer",
      company: "Tallinn Mobility",
      years: "2018 to 2021",
      bullets: [
        "Built the booking API in TypeScript and Node.js on PostgreSQL and Redis: 900 requests a second at rush hour",
        "Brought twelve services to Kubernetes on AWS, described in Terraform",
        "Wrote the contract tests that let three teams release on their own",
      ],
    },
    {
      title: "Data Analyst",
      company: "City of Groningen",
      years: "2016 to 2018",
      bullets: [
        "Answered questions about traffic in SQL and Python, and taught 30 colleagues to do the same",
        "Predicted the parking of market days from five years of counts",
      ],
    },
  ],
  skills: [
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
    "TypeScript",
    "Node.js",
    "Docker",
    "Kubernetes",
    "Terraform",
    "AWS",
  ],
};
