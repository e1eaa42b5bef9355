/** What the server's names are called for people. */

import type { Activity, Command, ProctoringSession } from "@client/protocol";
import { lasting } from "@shared/time";

type Type = Activity["type"];

const TYPES: Record<Type, string> = {
  tab_change: "Changed tabs",
  window_blur: "Left the window",
  window_focus: "Came back to the window",
  fullscreen_exit: "Left fullscreen",
  fullscreen_enter: "Went fullscreen",
  copy: "Copied",
  cut: "Cut",
  paste: "Pasted",
  print: "Printed",
  page_reload: "Loaded the page again",
  network_lost: "Lost the network",
  network_restored: "Has the network again",
  right_click: "Opened the context menu",
  resize: "Changed the window's size",
  blocked_shortcut: "Pressed a blocked shortcut",
  multiple_displays: "Has more than one display",
  devtools_suspected: "Developer tools suspected",
  chat: "Message",
  session_started: "Started",
  session_ended: "Ended",
  connected: "Connected",
  disconnected: "Disconnected",
  second_connection: "Connected from a second device",
  heartbeat_missing: "No contact (technical)",
  heartbeat_resumed: "In contact again",
  server_restarted: "The server was restarted",
  admitted: "Let in",
  paused: "Paused",
  resumed: "Resumed",
  time_added: "Given time",
  warned: "Warned",
  reinstated: "Reinstated",
  hand_raised: "Raised a hand",
  hand_lowered: "Lowered the hand",
  reviewed: "Reviewed",
};

export const VERDICTS: Record<NonNullable<ProctoringSession["verdict"]>, string> = {
  UNREVIEWED: "Not reviewed",
  CLEARED: "Cleared",
  SUSPICIOUS: "Suspicious",
  VIOLATION: "Violation",
};

export const STATUSES: Record<ProctoringSession["status"], string> = {
  WAITING: "Waiting to be let in",
  ACTIVE: "Writing",
  PAUSED: "Paused",
  SUBMITTED: "Handed in",
  TIMED_OUT: "Time was up",
  TERMINATED: "Ended by staff",
  DENIED: "Not let in",
};

export const CONNECTIVITY: Record<ProctoringSession["connectivity"], string> = {
  ONLINE: "Online",
  LATE: "Late",
  MISSING: "No contact",
  CLOSED: "Closed",
};

export const FATES: Record<Command["fate"], string> = {
  QUEUED: "not delivered yet",
  DELIVERED: "delivered",
  ACKNOWLEDGED: "seen by the student's page",
  EXPIRED: "never reached the student",
};

export const SEVERITIES = ["critical", "high", "medium", "low", "info"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What happened, in a few words; the text of a message comes beside it. Of what was erased, only the type is known. */
export function happened({ type, data, source }: Activity): string {
  const ms = data["durationMs"];
  const took = typeof ms === "number" ? ` after ${lasting(ms)}` : "";
  switch (type) {
    case "tab_change":
      if (data["hidden"] === undefined) return TYPES[type];
      return data["hidden"] ? "Went to another tab" : `Came back to the tab${took}`;
    case "window_focus":
    case "network_restored":
    case "heartbeat_resumed":
      return TYPES[type] + took;
    case "page_reload":
      return typeof ms === "number" ? `${TYPES[type]}, away for ${lasting(ms)}` : TYPES[type];
    case "blocked_shortcut":
      return data["key"] ? `Pressed ${data["key"]}` : TYPES[type];
    case "resize":
      return data["width"] ? `${TYPES[type]} to ${data["width"]} × ${data["height"]}` : TYPES[type];
    case "chat":
      return source === "client" ? "Wrote" : data["to"] === "exam" ? "Proctor to all" : "Proctor wrote";
    case "session_ended":
      return STATUSES[data["status"] as ProctoringSession["status"]] ?? TYPES[type];
    case "time_added":
      return data["minutes"] ? `Given ${data["minutes"]} min` : TYPES[type];
    case "reviewed":
      return `Reviewed: ${VERDICTS[data["verdict"] as keyof typeof VERDICTS]}`;
    default:
      return TYPES[type];
  }
}

/** What was said with it: a message, a reason, a note. */
export function saidWith({ data }: Activity): string {
  return [data["text"], data["reason"], data["note"]].filter((one) => typeof one === "string").join(" · ");
}

const ACTIONS: Record<Command["action"], string> = {
  admit: "Let in",
  deny: "Not let in",
  warn: "Warning",
  pause: "Pause",
  resume: "Resume",
  extend: "More time",
  terminate: "End",
  reinstate: "Reinstate",
};

export function commanded({ action, minutes, text, reason }: Command): string {
  const what = action === "extend" ? `${minutes} min more` : ACTIONS[action];
  return [what, text ?? reason].filter(Boolean).join(": ");
}
