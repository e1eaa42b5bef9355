/** What the page says of the connection, of commands, and of what the server refused: in words for students. */

import type { Command, ConnectionState, ProctoringError } from "@client/index";

export function reports(count: number): string {
  return count === 1 ? "1 report" : `${count} reports`;
}

/** The connection as it matters to who takes the exam. `durable`: what waits outlives a reload. */
export function connectionWords(state: ConnectionState, durable: boolean): string {
  switch (state) {
    case "online":
      return "Connected";
    case "connecting":
      return "Connecting…";
    case "offline":
      return durable
        ? "Connection lost: keep working, everything is kept and will be sent."
        : "Connection lost: keep working and do not load this page again, so that everything is kept and will be sent.";
    default:
      return "Not connected";
  }
}

const minutes = (count: number | null): string => (count === 1 ? "1 more minute" : `${count} more minutes`);

/** What a command tells that does not interrupt; null where it does, or the page shows it anyway. */
export function noticeOf({ action, reason, minutes: more }: Command): string | null {
  const because = reason ? ` Reason: ${reason}` : "";
  switch (action) {
    case "admit":
      return "A proctor has let you in. Your time is running.";
    case "resume":
      return "The exam goes on. The time of the pause is given back to you.";
    case "extend":
      return `You have ${minutes(more)}.${because}`;
    case "reinstate":
      return `You have been let back into the exam.${because}`;
    default:
      return null;
  }
}

export interface Refusal {
  title: string;
  text: string;
  /** What leads on from there. */
  next: "sign in" | "exams";
}

/** Why this student cannot take part (any more). */
export function refusalOf(error: ProctoringError | undefined): Refusal {
  switch (error?.code) {
    case "unauthorized":
      return {
        title: "You were signed out",
        text: "Your sign-in is over, or was revoked, as by a new password. Sign in again to go on: nothing is lost.",
        next: "sign in",
      };
    case "not_found":
    case "forbidden":
      return {
        title: "You are no longer assigned to this exam",
        text: "So you cannot take part in it from here. If that is a mistake, ask the proctor in the room.",
        next: "exams",
      };
    case "conflict":
      return { title: "This exam cannot be started now", text: error.message, next: "exams" };
    default:
      return {
        title: "The server does not let this page take part",
        text: `It says: ${error?.message ?? "nothing about why."} Tell the proctor in the room.`,
        next: "exams",
      };
  }
}
