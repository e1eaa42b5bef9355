/**
 * What an exam page observes of itself. Each part can be switched off; each says when something began and, where it
 * ends, how long it took. Nothing here looks outside the page: no camera, no screen, no keys but the blocked ones.
 */

import type { AnyActivity } from "./protocol";

export type ClientActivity = Exclude<AnyActivity["type"], "chat">;

/** `ago`: how long ago it happened, in milliseconds, where that was not just now. */
export type Report = (type: ClientActivity, data?: Record<string, unknown>, ago?: number) => void;

export interface Observed {
  /** The tab is hidden or shown. */
  visibility: boolean;
  /** The window loses or gets the focus while the tab stays visible. */
  focus: boolean;
  /** Fullscreen is left or entered. */
  fullscreen: boolean;
  /** Copy, cut and paste; "block" prevents them. */
  clipboard: boolean | "block";
  /** The context menu; "block" prevents it. */
  contextMenu: boolean | "block";
  /** The page is printed. */
  print: boolean;
  /** Shortcuts that are prevented and reported: true for the usual ones, or a list such as ["Ctrl+F", "F12"]. */
  shortcuts: boolean | string[];
  /** The page is loaded again, or was left and came back. */
  reload: boolean;
  /** The window gets another size. */
  resize: boolean;
  /** More than one display, where the browser tells. */
  displays: boolean;
  /** The browser has no network, or has it again. */
  network: boolean;
}

export const EVERYTHING: Observed = {
  visibility: true,
  focus: true,
  fullscreen: true,
  clipboard: true,
  contextMenu: true,
  print: true,
  shortcuts: true,
  reload: true,
  resize: true,
  displays: true,
  network: true,
};

/** Printing, saving, the page's source, developer tools. */
export const SHORTCUTS = [
  "Ctrl+P",
  "Ctrl+S",
  "Ctrl+U",
  "F12",
  "Ctrl+Shift+I",
  "Ctrl+Shift+J",
  "Ctrl+Shift+C",
  "PrintScreen",
];

const FOCUS_SETTLES_MS = 200;
const RESIZE_SETTLES_MS = 1000;

/** Observe until the function that this gives is called. */
export function observe(report: Report, wanted: Observed): () => void {
  const parts: [boolean | string | string[], (report: Report) => Stop][] = [
    [wanted.visibility, visibility],
    [wanted.focus, focus],
    [wanted.fullscreen, fullscreen],
    [wanted.clipboard, (to) => clipboard(to, wanted.clipboard === "block")],
    [wanted.contextMenu, (to) => contextMenu(to, wanted.contextMenu === "block")],
    [wanted.print, print],
    [wanted.shortcuts, (to) => shortcuts(to, Array.isArray(wanted.shortcuts) ? wanted.shortcuts : SHORTCUTS)],
    [wanted.resize, resize],
    [wanted.displays, displays],
    [wanted.network, network],
  ];
  const stops = parts.filter(([on]) => on !== false).map(([, part]) => part(report));
  return () => stops.forEach((stop) => stop());
}

type Stop = () => void;

function listen(target: EventTarget, handlers: Record<string, (event: Event) => void>): Stop {
  for (const [name, handler] of Object.entries(handlers)) target.addEventListener(name, handler, true);
  return () => {
    for (const [name, handler] of Object.entries(handlers)) target.removeEventListener(name, handler, true);
  };
}

/** Gives how long it has been since it was last called; undefined the first time. */
function stopwatch(): () => { durationMs?: number } {
  let since: number | undefined;
  return () => {
    const before = since;
    since = performance.now();
    return before === undefined ? {} : { durationMs: Math.round(since - before) };
  };
}

function visibility(report: Report): Stop {
  const lap = stopwatch();
  lap();
  let leaving = false;
  if (document.hidden) report("tab_change", { hidden: true });
  const stops = [
    // A page that is unloaded is hidden too; that is a reload, not another tab.
    listen(window, { pagehide: () => (leaving = true), pageshow: () => (leaving = false) }),
    listen(document, {
      visibilitychange: () => {
        if (!leaving) report("tab_change", { hidden: document.hidden, ...lap() });
      },
    }),
  ];
  return () => stops.forEach((stop) => stop());
}

function focus(report: Report): Stop {
  let since = 0;
  let away = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  // Looked at a moment later: a hidden tab is reported as such, and the focus may only be in a frame of the page.
  const look = () => {
    if (away || document.hidden || document.hasFocus()) return;
    away = true;
    report("window_blur", {}, Math.round(performance.now() - since));
  };
  const stop = listen(window, {
    blur: (event) => {
      if (event.target !== window) return;
      clearTimeout(timer);
      if (!away) since = performance.now();
      timer = setTimeout(look, FOCUS_SETTLES_MS);
    },
    focus: (event) => {
      if (event.target !== window) return;
      clearTimeout(timer);
      if (away) report("window_focus", { durationMs: Math.round(performance.now() - since) });
      away = false;
    },
  });
  return () => {
    clearTimeout(timer);
    stop();
  };
}

function fullscreen(report: Report): Stop {
  const lap = stopwatch();
  return listen(document, {
    fullscreenchange: () => report(document.fullscreenElement ? "fullscreen_enter" : "fullscreen_exit", lap()),
  });
}

function clipboard(report: Report, block: boolean): Stop {
  const handler = (type: ClientActivity) => (event: Event) => {
    if (block) event.preventDefault();
    report(type);
  };
  return listen(document, { copy: handler("copy"), cut: handler("cut"), paste: handler("paste") });
}

function contextMenu(report: Report, block: boolean): Stop {
  return listen(document, {
    contextmenu: (event) => {
      if (block) event.preventDefault();
      report("right_click");
    },
  });
}

function print(report: Report): Stop {
  let since = performance.now();
  return listen(window, {
    beforeprint: () => (since = performance.now()),
    afterprint: () => {
      const durationMs = Math.round(performance.now() - since);
      report("print", { durationMs }, durationMs);
    },
  });
}

/** The name of a key with what is held: "Ctrl+Shift+I". The Mac's command key counts as Ctrl. */
export function nameOf(event: KeyboardEvent): string {
  if (!event.key) return ""; // a browser that fills in a form makes such events
  const key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const held = [event.ctrlKey || event.metaKey ? "Ctrl" : "", event.altKey ? "Alt" : "", event.shiftKey ? "Shift" : ""];
  return [...held.filter(Boolean), key].join("+");
}

function shortcuts(report: Report, blocked: string[]): Stop {
  const names = new Set(blocked);
  const look = (event: Event) => {
    const key = nameOf(event as KeyboardEvent);
    if (!names.has(key)) return;
    event.preventDefault();
    // PrintScreen is told only when it is let go, all others also then.
    const last = event.type === (key.endsWith("PrintScreen") ? "keyup" : "keydown");
    if (last && !(event as KeyboardEvent).repeat) report("blocked_shortcut", { key });
  };
  return listen(window, { keydown: look, keyup: look });
}

function resize(report: Report): Stop {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let size = `${innerWidth} ${innerHeight}`;
  const stop = listen(window, {
    resize: (event) => {
      if (event.target !== window) return;
      clearTimeout(timer);
      timer = setTimeout(() => {
        const next = `${innerWidth} ${innerHeight}`;
        if (next !== size) report("resize", { width: innerWidth, height: innerHeight }, RESIZE_SETTLES_MS);
        size = next;
      }, RESIZE_SETTLES_MS);
    },
  });
  return () => {
    clearTimeout(timer);
    stop();
  };
}

function displays(report: Report): Stop {
  const screens = screen as Screen & { isExtended?: boolean } & EventTarget;
  let before = false;
  const look = () => {
    if (screens.isExtended && !before) report("multiple_displays");
    before = Boolean(screens.isExtended);
  };
  look();
  return typeof screens.addEventListener === "function" ? listen(screens, { change: look }) : () => {};
}

function network(report: Report): Stop {
  const lap = stopwatch();
  let lost = false;
  const look = () => {
    if (navigator.onLine === !lost) return;
    lost = !navigator.onLine;
    const since = lap();
    report(lost ? "network_lost" : "network_restored", lost ? {} : since);
  };
  look();
  return listen(window, { offline: look, online: look });
}
