/** When it is said how much time is left, to who does not see the clock: rarely, so that it does not disturb. */

const MINUTES = [30, 15, 5, 1];

/** The minutes whose mark lies between two looks at the clock, the latest; null where there is none. */
export function passed(beforeMs: number, nowMs: number): number | null {
  return MINUTES.findLast((minutes) => beforeMs > minutes * 60_000 && nowMs <= minutes * 60_000) ?? null;
}
