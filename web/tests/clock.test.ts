import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ServerClock } from "../client/clock";

const NINE = Date.parse("2026-05-04T09:00:00.000Z");
const HOUR = 3_600_000;

describe("the server's clock", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.setSystemTime(NINE);
  });
  afterEach(() => vi.useRealTimers());

  it("is the browser's until the server has told its own", () => {
    const clock = new ServerClock();
    expect(clock.known).toBe(false);
    expect(clock.now()).toBe(NINE);
    expect(clock.remainingMs()).toBeNull();
  });

  it.each([-HOUR, HOUR])("is right in a browser whose own is off by %i ms", (off) => {
    vi.setSystemTime(NINE + off);
    const clock = new ServerClock();
    clock.set("2026-05-04T09:00:00.000Z");
    expect(clock.known).toBe(true);
    expect(clock.now()).toBe(NINE);
    vi.advanceTimersByTime(90_000);
    expect(clock.now()).toBe(NINE + 90_000);
  });

  it("does not care for a browser's clock that is set anew meanwhile", () => {
    const clock = new ServerClock();
    clock.set(NINE);
    clock.setRemaining(HOUR, true);
    vi.setSystemTime(NINE + 5 * HOUR);
    expect(clock.now()).toBe(NINE);
    expect(clock.remainingMs()).toBe(HOUR);
  });

  it("is not set back by what was long on its way, but where the server's own clock was", () => {
    const clock = new ServerClock();
    clock.set(NINE);
    vi.advanceTimersByTime(4000);
    clock.set(NINE + 3000); // said a second ago
    expect(clock.now()).toBe(NINE + 4000);
    clock.set(NINE + 4100); // sooner here than the first
    expect(clock.now()).toBe(NINE + 4100);
    clock.set(NINE - HOUR);
    expect(clock.now()).toBe(NINE - HOUR);
  });

  it("counts down while it is running", () => {
    const clock = new ServerClock();
    clock.setRemaining(10_000, true);
    vi.advanceTimersByTime(4000);
    expect(clock.remainingMs()).toBe(6000);
  });

  it("stands still while it is paused, and goes on from what the server says", () => {
    const clock = new ServerClock();
    clock.setRemaining(10_000, false);
    vi.advanceTimersByTime(4000);
    expect(clock.remainingMs()).toBe(10_000);
    clock.setRemaining(10_000, true);
    vi.advanceTimersByTime(1000);
    expect(clock.remainingMs()).toBe(9000);
  });

  it("never has less than nothing left", () => {
    const clock = new ServerClock();
    clock.setRemaining(1000, true);
    vi.advanceTimersByTime(HOUR);
    expect(clock.remainingMs()).toBe(0);
    clock.setRemaining(-5, false);
    expect(clock.remainingMs()).toBe(0);
  });
});
