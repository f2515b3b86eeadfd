/** Writes a CV for a job in three phases: analyse the job, draft a section for each role, have the whole reviewed. */
import type { Run } from "livetail";
import type { Cv, Job } from "../service/database.js";
import { loadJob } from "../service/load-job.js";
import { PROFILE, type Role } from "../service/profile.js";
import type { Models, Tools } from "../service/tools.js";

/** What a model makes of the job. */
interface Plan {
  must_have: string[];
  /** The titles of the candidate's roles, the most telling first. */
  lead_roles: string[];
  decisions: { decision: string; reason: string }[];
}

/** What a model makes of the CV. */
interface Review {
  passed: boolean;
  score: number;
  problems: string[];
}

/** Resolves to the CV, as it was stored. */
export async function writeCv(run: Run, jobId: string, tools: Tools): Promise<Cv> {
  run.logger.layerStart("analyse");
  const job = await loadJob(jobId, tools, { signal: run.signal });
  const plan: Plan = JSON.parse(await tools.models.claude("analyse", { job, profile: PROFILE }));
  for (const { decision, reason } of plan.decisions) run.logger.decisionPoint(decision, { reason });
  run.logger.layerComplete("analyse");

  const sections = await draft(run, job, plan, tools.models);
  const { score } = await review(run, job, plan, sections, tools.models);

  run.logger.layerStart("store");
  const cv = { id: jobId, text: [`# ${PROFILE.name}`, ...sections].join("\n\n"), score };
  await tools.database.cvs.save(cv);
  run.logger.layerComplete("store", { words: cv.text.split(/\s+/).length });
  return cv;
}

/** The roles in the order in which they stand in the CV. */
function rolesOf({ lead_roles }: Plan): Role[] {
  return [...PROFILE.roles].sort((a, b) => lead_roles.indexOf(a.title) - lead_roles.indexOf(b.title));
}

async function draft(run: Run, job: Job, plan: Plan, models: Models): Promise<string[]> {
  const roles = rolesOf(plan);
  const sections: string[] = [];
  run.logger.layerStart("draft");
  for (const role of roles) {
    run.layer("draft", "running", role.title, { current: sections.length, total: roles.length });
    sections.push(await models.claude("draft", { job, role, keywords: plan.must_have }));
  }
  run.logger.layerComplete("draft", { current: sections.length });
  return sections;
}

/** A CV that fails is reviewed once more, after its first section was written anew. */
async function review(run: Run, job: Job, plan: Plan, sections: string[], models: Models): Promise<Review> {
  const check = async (attempt: number): Promise<Review> => {
    const material = { job, cv: sections.join("\n\n"), profile: PROFILE, attempt };
    const result: Review = JSON.parse(await models.claudeOrGpt("review", material));
    run.logger.validationResult("cv_review", result.passed, { score: result.score, problems: result.problems });
    return result;
  };

  run.logger.layerStart("review");
  let result = await check(1);
  if (!result.passed) {
    run.logger.warn("retry_attempt", { attempt: 2, reason: "the review found problems" });
    const [role] = rolesOf(plan);
    const material = { job, role, keywords: plan.must_have, feedback: result.problems };
    sections[0] = await models.claude("draft", material);
    result = await check(2);
  }
  run.logger.layerComplete("review");
  return result;
}
