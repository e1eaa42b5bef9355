import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Ticker } from "../client/ticker";

/** A worker as a browser has it, its timers being the test's. */
class FakeWorker {
  static made: FakeWorker[] = [];
  onmessage: ((event: { data: number }) => void) | undefined;
  onerror: (() => void) | undefined;
  terminated = false;
  private readonly timers = new Map<number, ReturnType<typeof setTimeout>>();

  constructor() {
    FakeWorker.made.push(this);
  }

  postMessage([id, ms]: [number, number | null]): void {
    clearTimeout(this.timers.get(id));
    if (ms === null) this.timers.delete(id);
    else
      this.timers.set(
        id,
        setTimeout(() => this.onmessage?.({ data: id }), ms),
      );
  }

  terminate(): void {
    this.terminated = true;
    for (const timer of this.timers.values()) clearTimeout(timer);
  }
}

function forbidden(): never {
  throw new DOMException("Refused by the page's policy", "SecurityError");
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeWorker.made = [];
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe.each([
  ["a worker", FakeWorker, true],
  ["no worker", undefined, false],
  ["a policy that forbids one", forbidden, false],
])("a ticker with %s", (_, worker, inWorker) => {
  beforeEach(() => vi.stubGlobal("Worker", worker));

  it("says whose timers it has", () => {
    expect(new Ticker().inWorker).toBe(inWorker);
  });

  it("calls once, when it is time", () => {
    const action = vi.fn();
    new Ticker().after(1000, action);
    vi.advanceTimersByTime(999);
    expect(action).not.toHaveBeenCalled();
    vi.advanceTimersByTime(5000);
    expect(action).toHaveBeenCalledOnce();
  });

  it("does not call what was taken back, and calls the others", () => {
    const ticker = new Ticker();
    const [gone, stays] = [vi.fn(), vi.fn()];
    const takeBack = ticker.after(1000, gone);
    ticker.after(1000, stays);
    takeBack();
    takeBack();
    vi.advanceTimersByTime(2000);
    expect(gone).not.toHaveBeenCalled();
    expect(stays).toHaveBeenCalledOnce();
  });

  it("calls nothing once it is closed", () => {
    const ticker = new Ticker();
    const action = vi.fn();
    ticker.after(1000, action);
    ticker.close();
    vi.advanceTimersByTime(2000);
    expect(action).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a ticker whose worker fails later", () => {
  it("calls at once who waits, and goes on with the page's timers", () => {
    vi.stubGlobal("Worker", FakeWorker);
    const ticker = new Ticker();
    const [waits, later] = [vi.fn(), vi.fn()];
    ticker.after(60_000, waits);
    FakeWorker.made[0]!.onerror!();
    expect(waits).toHaveBeenCalledOnce();
    expect(ticker.inWorker).toBe(false);
    ticker.after(1000, later);
    vi.advanceTimersByTime(1000);
    expect(later).toHaveBeenCalledOnce();
  });

  it("does not let an action that sets the next timer go round in circles", () => {
    vi.stubGlobal("Worker", FakeWorker);
    const ticker = new Ticker();
    const beat = vi.fn(() => void ticker.after(5000, beat));
    ticker.after(5000, beat);
    FakeWorker.made[0]!.onerror!();
    expect(beat).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(10_000);
    expect(beat).toHaveBeenCalledTimes(3);
  });
});
