/** Random choices that are the same for the same seed, so that what fails can be tried again. */

export interface Dice {
  /** 0 up to `sides` - 1 */
  roll(sides: number): number;
  pick<T>(values: readonly T[]): T;
  /** True so many times in a hundred. */
  chance(percent: number): boolean;
}

export function dice(seed: number): Dice {
  let state = seed * 2_654_435_761;
  const roll = (sides: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
  return {
    roll,
    pick: (values) => values[roll(values.length)]!,
    chance: (percent) => roll(100) < percent,
  };
}

export const SEEDS = Array.from({ length: 60 }, (_, at) => at + 1);
