/** Annotates a job: finds what the candidate's profile has for each of its requirements. */
import type { AnnotatedJob, Annotation } from "../service/database.js";
import { loadJob } from "../service/load-job.js";
import { PROFILE } from "../service/profile.js";
import type { Tools } from "../service/tools.js";

/** Resolves to the annotations, as they were stored. */
export async function annotateJob(jobId: string, tools: Tools): Promise<AnnotatedJob> {
  const { requirements } = await loadJob(jobId, tools);

  const annotations: Annotation[] = [];
  for (const requirement of requirements) {
    const answer = JSON.parse(await tools.models.claude("annotate", { requirement, profile: PROFILE }));
    annotations.push({ requirement, ...answer });
  }

  const annotated = { id: jobId, annotations };
  await tools.database.annotations.save(annotated);
  return annotated;
}
