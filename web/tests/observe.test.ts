import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EVERYTHING, observe, type Observed } from "../client/observe";
import { NOTHING, onWindow, seen, setFullscreen, setHidden, times, watching } from "./page";

let stop: () => void;

function only(wanted: Partial<Observed>): void {
  stop = observe(watching(), { ...NOTHING, ...wanted });
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  stop();
  setHidden(false);
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("the tab", () => {
  it("is hidden and shown, each with how long it had been the other way", () => {
    only({ visibility: true });
    vi.advanceTimersByTime(5000);
    setHidden(true);
    vi.advanceTimersByTime(31_000);
    setHidden(false);
    expect(seen).toEqual([
      ["tab_change", { hidden: true, durationMs: 5000 }, 0],
      ["tab_change", { hidden: false, durationMs: 31_000 }, 0],
    ]);
  });

  it("is told where it is hidden from the beginning", () => {
    setHidden(true);
    only({ visibility: true });
    expect(seen).toEqual([["tab_change", { hidden: true }, 0]]);
    vi.advanceTimersByTime(2000);
    setHidden(false);
    expect(seen[1]).toEqual(["tab_change", { hidden: false, durationMs: 2000 }, 0]);
  });

  it("is not said to be hidden where the page is left: that is a reload", () => {
    only({ visibility: true });
    onWindow("pagehide");
    setHidden(true);
    expect(seen).toEqual([]);
  });

  it("is observed again when the page comes back out of the browser's cache", () => {
    only({ visibility: true });
    onWindow("pagehide");
    setHidden(true);
    setHidden(false);
    onWindow("pageshow");
    setHidden(true);
    expect(seen.map(([, data]) => data["hidden"])).toEqual([true]);
  });
});

describe("the window's focus", () => {
  let focused: boolean;
  const blur = () => {
    focused = false;
    onWindow("blur");
  };
  const focus = () => {
    focused = true;
    onWindow("focus");
  };

  beforeEach(() => {
    focused = true;
    vi.spyOn(document, "hasFocus").mockImplementation(() => focused);
    only({ visibility: true, focus: true });
  });

  it("is lost at the moment of the blur, and back after as long as it was away", () => {
    vi.advanceTimersByTime(1000);
    blur();
    const at = performance.now();
    vi.advanceTimersByTime(3000);
    focus();
    expect(seen.map(([type]) => type)).toEqual(["window_blur", "window_focus"]);
    expect(times[0]! - seen[0]![2]).toBe(at);
    expect(seen[1]![1]).toEqual({ durationMs: 3000 });
  });

  it("is not lost where it is back at once", () => {
    blur();
    vi.advanceTimersByTime(50);
    focus();
    vi.advanceTimersByTime(5000);
    expect(seen).toEqual([]);
  });

  it("is not lost to a frame of the page", () => {
    onWindow("blur");
    vi.advanceTimersByTime(5000);
    expect(seen).toEqual([]);
  });

  it("is not lost from field to field", () => {
    const field = document.body.appendChild(document.createElement("input"));
    focused = false;
    field.dispatchEvent(new Event("blur"));
    vi.advanceTimersByTime(5000);
    expect(seen).toEqual([]);
    field.remove();
  });

  it("is not reported where the tab was hidden: that is reported already", () => {
    blur();
    setHidden(true);
    vi.advanceTimersByTime(5000);
    setHidden(false);
    focus();
    vi.advanceTimersByTime(5000);
    expect(seen.map(([type, data]) => [type, data["hidden"]])).toEqual([
      ["tab_change", true],
      ["tab_change", false],
    ]);
  });

  it("is reported once, however many blurs there are", () => {
    blur();
    vi.advanceTimersByTime(100);
    blur();
    vi.advanceTimersByTime(1000);
    blur();
    vi.advanceTimersByTime(1000);
    focus();
    focus();
    expect(seen.map(([type]) => type)).toEqual(["window_blur", "window_focus"]);
  });
});

describe("fullscreen", () => {
  it("is entered and left, with how long it was so", () => {
    only({ fullscreen: true });
    setFullscreen(document.body);
    vi.advanceTimersByTime(8000);
    setFullscreen(null);
    expect(seen).toEqual([
      ["fullscreen_enter", {}, 0],
      ["fullscreen_exit", { durationMs: 8000 }, 0],
    ]);
  });
});

describe("printing", () => {
  it("is reported when it is done, as of when it began", () => {
    only({ print: true });
    vi.advanceTimersByTime(1000);
    onWindow("beforeprint");
    vi.advanceTimersByTime(4000);
    onWindow("afterprint");
    expect(seen).toEqual([["print", { durationMs: 4000 }, 4000]]);
  });
});

describe("the window's size", () => {
  it("is reported once it has settled, as of when it did, and only where it is another", () => {
    vi.stubGlobal("innerWidth", 1000);
    vi.stubGlobal("innerHeight", 700);
    only({ resize: true });
    for (const width of [900, 800, 640]) {
      vi.stubGlobal("innerWidth", width);
      onWindow("resize");
      vi.advanceTimersByTime(300);
    }
    vi.advanceTimersByTime(5000);
    expect(seen).toEqual([["resize", { width: 640, height: 700 }, 1000]]);
    onWindow("resize");
    vi.advanceTimersByTime(5000);
    expect(seen).toHaveLength(1);
  });
});

describe("the network", () => {
  it("is lost once, and back after as long as it was away", () => {
    only({ network: true });
    const onLine = vi.spyOn(navigator, "onLine", "get").mockReturnValue(false);
    onWindow("offline");
    onWindow("offline");
    vi.advanceTimersByTime(12_000);
    onLine.mockReturnValue(true);
    onWindow("online");
    onWindow("online");
    expect(seen).toEqual([
      ["network_lost", {}, 0],
      ["network_restored", { durationMs: 12_000 }, 0],
    ]);
  });
});

it("observes everything where nothing else is said", () => {
  expect(Object.values(EVERYTHING)).toEqual(Object.values(EVERYTHING).map(() => true));
  stop = observe(watching(), EVERYTHING);
});
