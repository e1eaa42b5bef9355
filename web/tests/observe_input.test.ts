import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EVERYTHING, nameOf, observe, SHORTCUTS, type Observed } from "../client/observe";
import { NOTHING, onWindow, seen, setFullscreen, setHidden, watching } from "./page";

let stop: () => void;

function only(wanted: Partial<Observed>): void {
  stop = observe(watching(), { ...NOTHING, ...wanted });
}

/** Gives whether the page let it happen. */
function happens(type: string, on: EventTarget = document.body): boolean {
  return on.dispatchEvent(new Event(type, { bubbles: true, cancelable: true }));
}

function press(key: string, held: KeyboardEventInit = {}, type = "keydown"): boolean {
  return document.body.dispatchEvent(new KeyboardEvent(type, { key, bubbles: true, cancelable: true, ...held }));
}

beforeEach(() => {
  vi.useFakeTimers();
  stop = () => undefined;
});
afterEach(() => {
  stop();
  setHidden(false);
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("the clipboard", () => {
  it("is reported and left alone", () => {
    only({ clipboard: true });
    expect([happens("copy"), happens("cut"), happens("paste")]).toEqual([true, true, true]);
    expect(seen.map(([type]) => type)).toEqual(["copy", "cut", "paste"]);
  });

  it("is reported and blocked", () => {
    only({ clipboard: "block" });
    expect([happens("copy"), happens("cut"), happens("paste")]).toEqual([false, false, false]);
    expect(seen.map(([type]) => type)).toEqual(["copy", "cut", "paste"]);
  });

  it("is seen also where the page keeps the event to itself", () => {
    only({ clipboard: true });
    const field = document.body.appendChild(document.createElement("textarea"));
    field.addEventListener("paste", (event) => event.stopImmediatePropagation());
    happens("paste", field);
    expect(seen.map(([type]) => type)).toEqual(["paste"]);
    field.remove();
  });
});

describe("the context menu", () => {
  it.each([
    [true, true],
    ["block" as const, false],
  ])("is reported; %j lets it open: %j", (wanted, opens) => {
    only({ contextMenu: wanted });
    expect(happens("contextmenu")).toBe(opens);
    expect(seen).toEqual([["right_click", {}, 0]]);
  });
});

describe("shortcuts", () => {
  it("are known by their names", () => {
    const name = (key: string, held: KeyboardEventInit = {}) => nameOf(new KeyboardEvent("keydown", { key, ...held }));
    expect(name("p", { ctrlKey: true })).toBe("Ctrl+P");
    expect(name("p", { metaKey: true })).toBe("Ctrl+P");
    expect(name("I", { ctrlKey: true, shiftKey: true })).toBe("Ctrl+Shift+I");
    expect(name("i", { metaKey: true, altKey: true })).toBe("Ctrl+Alt+I");
    expect(name("F12")).toBe("F12");
  });

  it.each(SHORTCUTS.filter((name) => name !== "PrintScreen"))("are prevented and reported: %s", (name) => {
    only({ shortcuts: true });
    const key = name.split("+").pop()!;
    const held = { ctrlKey: name.includes("Ctrl"), shiftKey: name.includes("Shift") };
    expect(press(key, held)).toBe(false);
    press(key, held, "keyup");
    expect(seen).toEqual([["blocked_shortcut", { key: name }, 0]]);
  });

  it("are prevented with the Mac's command key as well", () => {
    only({ shortcuts: true });
    expect(press("s", { metaKey: true })).toBe(false);
    expect(seen).toEqual([["blocked_shortcut", { key: "Ctrl+S" }, 0]]);
  });

  it("are reported once while a key is held down", () => {
    only({ shortcuts: true });
    press("p", { ctrlKey: true });
    expect(press("p", { ctrlKey: true, repeat: true })).toBe(false);
    press("p", { ctrlKey: true, repeat: true });
    expect(seen).toHaveLength(1);
  });

  it("has PrintScreen, of which only the letting go is told", () => {
    only({ shortcuts: true });
    press("PrintScreen", {}, "keyup");
    expect(seen).toEqual([["blocked_shortcut", { key: "PrintScreen" }, 0]]);
  });

  it("are those of a list where one is given", () => {
    only({ shortcuts: ["Ctrl+F"] });
    expect(press("f", { ctrlKey: true })).toBe(false);
    expect(press("p", { ctrlKey: true })).toBe(true);
    expect(seen).toEqual([["blocked_shortcut", { key: "Ctrl+F" }, 0]]);
  });

  it("leave what is typed alone", () => {
    only({ shortcuts: true });
    expect([press("p"), press("P", { shiftKey: true }), press("c", { ctrlKey: true })]).toEqual([true, true, true]);
    expect(seen).toEqual([]);
  });

  it("bear a key event without a key, as browsers make it when they fill in a form", () => {
    only({ shortcuts: true });
    const failed = vi.fn((event: Event) => event.preventDefault());
    window.addEventListener("error", failed);
    expect(() => happens("keydown")).not.toThrow();
    window.removeEventListener("error", failed);
    expect(failed).not.toHaveBeenCalled();
  });
});

describe("displays", () => {
  it("are reported where there is more than one, again where another is added again", () => {
    const screens = Object.assign(new EventTarget(), { isExtended: true });
    vi.stubGlobal("screen", screens);
    only({ displays: true });
    for (const isExtended of [true, false, true]) {
      Object.assign(screens, { isExtended });
      screens.dispatchEvent(new Event("change"));
    }
    expect(seen.map(([type]) => type)).toEqual(["multiple_displays", "multiple_displays"]);
  });

  it("are not reported where the browser does not tell", () => {
    vi.stubGlobal("screen", {});
    only({ displays: true });
    expect(seen).toEqual([]);
  });
});

/** Do all that can be observed. */
function everything(): void {
  vi.spyOn(document, "hasFocus").mockReturnValue(false);
  setHidden(true);
  setHidden(false);
  onWindow("blur");
  vi.advanceTimersByTime(1000);
  onWindow("focus");
  setFullscreen(document.body);
  for (const type of ["copy", "cut", "paste", "contextmenu"]) happens(type);
  onWindow("beforeprint");
  onWindow("afterprint");
  press("p", { ctrlKey: true });
  vi.stubGlobal("innerWidth", innerWidth + 100);
  onWindow("resize");
  vi.advanceTimersByTime(2000);
  vi.spyOn(navigator, "onLine", "get").mockReturnValue(false);
  onWindow("offline");
}

describe("what is switched off", () => {
  it("is silent, and everything else is not", () => {
    stop = observe(watching(), EVERYTHING);
    everything();
    const all = new Set(seen.map(([type]) => type));
    expect(all.size).toBeGreaterThanOrEqual(12);
    stop();
    only({});
    everything();
    expect(seen).toEqual([]);
  });

  it("listens to nothing", () => {
    const listens = [window, document].map((target) => vi.spyOn(target, "addEventListener"));
    only({});
    for (const one of listens) expect(one).not.toHaveBeenCalled();
  });
});

describe("stop", () => {
  it("takes every listener away, and what waits for its moment", () => {
    const screens = new EventTarget();
    vi.stubGlobal("screen", screens);
    const targets = [window, document, screens];
    const key = (call: unknown[]) => [call[0], call[2]];
    const added = targets.map((target) => vi.spyOn(target, "addEventListener"));
    const removed = targets.map((target) => vi.spyOn(target, "removeEventListener"));
    stop = observe(watching(), EVERYTHING);
    vi.spyOn(document, "hasFocus").mockReturnValue(false);
    onWindow("blur");
    onWindow("resize");
    stop();
    expect(vi.getTimerCount()).toBe(0);
    targets.forEach((_, at) => {
      const [on, off] = [added[at]!.mock.calls, removed[at]!.mock.calls];
      expect(on.length).toBeGreaterThan(0);
      expect(off.map(key)).toEqual(on.map(key));
      expect(off.map((call) => call[1])).toEqual(on.map((call) => call[1]));
    });
    everything();
    expect(seen).toEqual([]);
  });
});
