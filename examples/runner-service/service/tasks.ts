/** What the models are asked to do. */
const TASKS = {
  extract:
    "Read a job posting and its company's page. Answer in JSON: title, company, location, salary, seniority, skills, summary.",
  rank: "Order these jobs by how well they fit the titles. Answer in JSON: ranking, a list of job_id and score.",
  score: "Say how well the candidate fits the job. Answer in JSON: score (0 to 100), matched, missing, reason.",
  annotate: "Find evidence for the requirement in the profile. Answer in JSON: relevance, role, evidence, keywords.",
  outreach: "Write a short message to the contact, from the candidate, about the job.",
  analyse: "Plan a CV for the job. Answer in JSON: must_have, nice_to_have, lead_roles, decisions.",
  draft: "Write the section of a CV about the role: a heading and bullets, for the job.",
  review: "Check the CV against the job. Answer in JSON: passed, score, problems.",
};

/** The name of a task. */
export type Task = keyof typeof TASKS;

/** The system prompt of a task. What it is about goes into the user's message, as JSON. */
export function promptOf(task: Task): string {
  return `Task: ${task}\n${TASKS[task]}`;
}
