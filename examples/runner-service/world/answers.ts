/**
 * What the models answer. A prompt names its task in the system prompt (`Task: score`) and brings its material as one
 * JSON object in the user's message; the answer is worked out from that material, so the same prompt is answered alike.
 */
import { z } from "zod";
import { skillsIn } from "./skills.js";

/** A prompt that no model can make sense of. */
export class BadPrompt extends Error {}

const texts = z.array(z.string());
const job = z.object({ id: z.string(), title: z.string(), company: z.string(), requirements: texts });
const role = z.object({ title: z.string(), company: z.string(), bullets: texts });
const profile = z.object({ name: z.string(), roles: z.array(role), skills: texts });
const listed = z.object({ id: z.string(), title: z.string(), location: z.string() });
const contact = z.object({ name: z.string(), role: z.string() });

type Profile = z.infer<typeof profile>;
type Role = z.infer<typeof role>;

const tasks = {
  extract: task({ posting: z.string(), company: z.string() }, (page) => {
    const [title = ""] = page.posting.trim().split("\n");
    const after = (label: string): string => new RegExp(`${label}:? *\\n? *(.+)`).exec(page.posting)?.[1]?.trim() ?? "";
    const [company = ""] = page.company.trim().split("\n");
    const seniority = /\b(Senior|Lead|Staff)\b/.exec(title)?.[1]?.toLowerCase() ?? "regular";
    const skills = skillsIn(page.posting);
    const summary = `${company} looks for somebody at ${seniority} level who knows ${sentenceOf(skills.slice(0, 4))}.`;
    const [location, salary] = [after("Location"), after("Salary")];
    return JSON.stringify({ title, company, location, salary, seniority, skills, summary });
  }),

  rank: task({ titles: texts, jobs: z.array(listed) }, ({ titles, jobs }) => {
    const wanted = wordsOf(titles.join(" "));
    const ranking = jobs.map(({ id, title, location }) => {
      const words = wordsOf(title);
      const common = words.filter((word) => wanted.includes(word)).length;
      const score = Math.round((80 * common) / Math.max(1, words.length)) + (location.includes("Remote") ? 15 : 5);
      return { job_id: id, score };
    });
    return JSON.stringify({ ranking: ranking.sort((a, b) => b.score - a.score) });
  }),

  score: task({ job, profile }, ({ job, profile }) => {
    const { matched, missing } = compare(job.requirements, profile);
    const score = Math.round((100 * matched.length) / Math.max(1, matched.length + missing.length));
    const lacks = missing.length === 0 ? "nothing is missing" : `${sentenceOf(missing)} would have to be learnt`;
    const reason = `${profile.name} brings ${sentenceOf(matched)}; ${lacks}.`;
    return JSON.stringify({ score, matched, missing, reason });
  }),

  annotate: task({ requirement: z.string(), profile }, ({ requirement, profile }) => {
    const { matched, missing } = compare([requirement], profile);
    const { role, bullet, hits } = evidenceFor(requirement, profile);
    const covered = hits > 0 && missing.length === 0;
    const relevance = covered ? "strong" : hits > 0 || matched.length > 0 ? "partial" : "gap";
    const evidence = relevance === "gap" ? "" : bullet;
    return JSON.stringify({ relevance, role: role.title, evidence, keywords: [...matched, ...missing] });
  }),

  outreach: task({ kind: z.string(), contact, job, profile }, ({ kind, contact, job, profile }) => {
    const { matched } = compare(job.requirements, profile);
    const { role, bullet } = evidenceFor(job.requirements.join(" "), profile);
    const [first] = contact.name.split(" ");
    const asks =
      kind === "recruiter" ? "Is the position still open, and who decides" : "Would you have a quarter of an hour";
    return [
      `Dear ${first},`,
      `you are looking for a ${job.title} at ${job.company}. I work with ${sentenceOf(matched.slice(0, 4))}.`,
      `As ${role.title} at ${role.company} I had this to do: ${bullet}`,
      `${asks}?`,
      `Kind regards, ${profile.name}`,
    ].join("\n\n");
  }),

  analyse: task({ job, profile }, ({ job, profile }) => {
    const half = Math.ceil(job.requirements.length / 2);
    const asked = skillsIn(job.requirements.join(" "));
    const ranked = [...profile.roles].sort((a, b) => hitsOf(b, asked) - hitsOf(a, asked));
    const decisions = ranked.map((role, i) => ({
      decision: i === 0 ? `${role.title} at ${role.company} leads` : `${role.title} at ${role.company} follows`,
      reason: `it shows ${hitsOf(role, asked)} of the ${asked.length} technologies that are asked for`,
    }));
    return JSON.stringify({
      must_have: job.requirements.slice(0, half),
      nice_to_have: job.requirements.slice(half),
      lead_roles: ranked.map(({ title }) => title),
      decisions,
    });
  }),

  draft: task({ job, role, keywords: texts, feedback: texts.optional() }, ({ role, keywords, feedback = [] }) => {
    const rated = [...role.bullets].sort((a, b) => overlap(b, keywords) - overlap(a, keywords));
    const named = skillsIn(feedback.join(" "));
    const added = named.length === 0 ? [] : [`Worked with ${sentenceOf(named)} throughout.`];
    return [`## ${role.title}, ${role.company}`, ...[...rated.slice(0, 3), ...added].map((line) => `- ${line}`)].join(
      "\n",
    );
  }),

  review: task({ job, cv: z.string(), profile, attempt: z.number() }, ({ job, cv, profile }) => {
    const { matched } = compare(job.requirements, profile);
    const shown = skillsIn(cv);
    const problems = matched
      .filter((skill) => !shown.includes(skill))
      .map((skill) => `${skill} is not shown by any role`);
    const score = Math.round((100 * (matched.length - problems.length)) / Math.max(1, matched.length));
    return JSON.stringify({ passed: problems.length === 0, score, problems });
  }),
};

/** The text that answers a prompt. Throws `BadPrompt` for a task that is not known, and material that does not fit it. */
export function answerTo(taskName: string, material: unknown): string {
  const answer = Object.hasOwn(tasks, taskName) ? tasks[taskName as keyof typeof tasks] : undefined;
  if (answer === undefined) throw new BadPrompt(`There is no task "${taskName}".`);
  return answer(material);
}

function task<Shape extends z.ZodRawShape>(shape: Shape, answer: (material: z.infer<z.ZodObject<Shape>>) => string) {
  const schema = z.object(shape);
  return (material: unknown): string => {
    const read = schema.safeParse(material);
    if (!read.success) throw new BadPrompt(z.prettifyError(read.error));
    return answer(read.data);
  };
}

/** The technologies that are asked for, by whether the profile has them. */
function compare(requirements: readonly string[], { skills, roles }: Profile): Record<"matched" | "missing", string[]> {
  const has = new Set([...skills, ...skillsIn(roles.flatMap(({ bullets }) => bullets).join(" "))]);
  const asked = skillsIn(requirements.join(" "));
  return { matched: asked.filter((skill) => has.has(skill)), missing: asked.filter((skill) => !has.has(skill)) };
}

/** The sentence of the profile that has most in common with `text`. */
function evidenceFor(text: string, { roles }: Profile): { role: Role; bullet: string; hits: number } {
  const asked = [...skillsIn(text), ...wordsOf(text)];
  const found = roles.flatMap((role) => role.bullets.map((bullet) => ({ role, bullet, hits: overlap(bullet, asked) })));
  const [best] = found.sort((a, b) => b.hits - a.hits);
  if (best === undefined) throw new BadPrompt("A profile needs a role with a bullet point.");
  return best;
}

function hitsOf({ bullets }: Role, asked: readonly string[]): number {
  return skillsIn(bullets.join(" ")).filter((skill) => asked.includes(skill)).length;
}

function overlap(text: string, asked: readonly string[]): number {
  const own = [...skillsIn(text), ...wordsOf(text)];
  return asked.filter((word) => own.includes(word)).length;
}

/** The longer words of a text, in lower case. */
function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[a-z]{4,}/g) ?? [];
}

/** "a, b and c". */
function sentenceOf(list: readonly string[]): string {
  if (list.length === 0) return "what the job needs";
  return list.length === 1 ? String(list[0]) : `${list.slice(0, -1).join(", ")} and ${list.at(-1)}`;
}
