/** How long to wait before the n-th attempt, in milliseconds: 50 doubling to 2,000, less up to a half at random. */
export function backOffMs(attempt: number): number {
  return Math.min(2000, 50 * 2 ** Math.min(attempt, 6)) * (0.5 + Math.random() / 2);
}
