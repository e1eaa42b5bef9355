/** What an observed page does, and what is reported of it. */

import { vi } from "vitest";
import type { Observed, Report } from "../client/observe";

export const NOTHING: Observed = {
  visibility: false,
  focus: false,
  fullscreen: false,
  clipboard: false,
  contextMenu: false,
  print: false,
  shortcuts: false,
  reload: false,
  resize: false,
  displays: false,
  network: false,
};

/** Type, data, how long ago. */
export type Seen = [type: string, data: Record<string, unknown>, ago: number];

export const seen: Seen[] = [];
/** When each was reported. */
export const times: number[] = [];

export function watching(): Report {
  seen.length = times.length = 0;
  return (type, data = {}, ago = 0) => {
    seen.push([type, data, ago]);
    times.push(performance.now());
  };
}

export function setHidden(hidden: boolean): void {
  vi.spyOn(document, "hidden", "get").mockReturnValue(hidden);
  document.dispatchEvent(new Event("visibilitychange"));
}

/** Dispatched on the window. Here `window` is another object than the one that its events name; in a browser it is not. */
export function onWindow(type: string): void {
  const event = new Event(type);
  Object.defineProperty(event, "target", { value: window });
  window.dispatchEvent(event);
}

export function setFullscreen(element: Element | null): void {
  Object.defineProperty(document, "fullscreenElement", { configurable: true, value: element });
  document.dispatchEvent(new Event("fullscreenchange"));
}
