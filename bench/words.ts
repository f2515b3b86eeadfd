/** Figures and goals in words. */
import type { Goal, Verdict } from "./goals.js";
import type { Spread } from "./rounds.js";

/** Three digits are what such a measurement is worth. */
export function round(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString("en-US", { maximumSignificantDigits: 3 });
}

/** The median, with the least and the most where they differ from it. */
export function spreadText({ median, low, high }: Spread): string {
  const [middle, least, most] = [median, low, high].map(round);
  return least === middle && most === middle ? `${middle}` : `${middle} (${least} to ${most})`;
}

/** "≥ 0.8 of the yardstick" and the like. */
export function boundText(goal: Goal): string {
  if ("atLeast" in goal) return `≥ ${round(goal.atLeast)}`;
  return "atMost" in goal ? `≤ ${round(goal.atMost)}` : goal.between.map(round).join(" to ");
}

/** What of the row a goal is about. */
function subjectText({ figure = "ratio", of }: Goal): string {
  const subject = figure === "perSecond" ? "rate" : figure;
  return of === undefined ? subject : `${subject} of ${of}`;
}

export function verdictText({ goal, value, met }: Verdict): string {
  return `${subjectText(goal)} ${round(value)}, to be ${boundText(goal)}: ${met ? "met" : "MISSED"}`;
}
