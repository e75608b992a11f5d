/** How long to wait before the n-th attempt in a row to connect again, in milliseconds: doubled each time, of which a random half. */
export function backoff(attempt: number, random: () => number = Math.random, base = 500, max = 30_000): number {
  const doubled = Math.min(max, base * 2 ** Math.min(attempt, 30));
  return Math.round(doubled * (0.5 + random() / 2));
}
