/** Exams as their students see them: which are open, and how far this student has got in them. */

import { isOver, type Exam, type ProctoringSession } from "@client/index";
import { day, hourAndMinute } from "@shared/time";

/** By this device's clock, which may be wrong: the server's decides, so each can be tried. `waiting`: not open yet. */
export type Openness = "open" | "waiting" | "over";

export type Status = ProctoringSession["status"];

/** A student's own account, read by id: it names the sessions. */
export interface Account {
  sessions: { examId: string; status: Status }[];
}

export interface Listed {
  exam: Exam;
  openness: Openness;
  /** Of this student's session in it, if there is one. */
  status: Status | undefined;
}

const ORDER: Record<Openness, number> = { open: 0, waiting: 1, over: 2 };

/** Those that can be taken now first, then by when they open and by title. */
export function listed(exams: Exam[], account: Account, now: number): Listed[] {
  const statuses = new Map(account.sessions.map(({ examId, status }) => [examId, status]));
  return exams
    .map((exam) => ({ exam, openness: opennessOf(exam, now), status: statuses.get(exam.id) }))
    .sort(
      (a, b) =>
        Number(isDone(a)) - Number(isDone(b)) ||
        ORDER[a.openness] - ORDER[b.openness] ||
        (a.exam.startsAt ?? "").localeCompare(b.exam.startsAt ?? "") ||
        a.exam.title.localeCompare(b.exam.title),
    );
}

export function isDone({ status }: Listed): boolean {
  return status !== undefined && isOver(status);
}

function opennessOf({ startsAt, endsAt }: Exam, now: number): Openness {
  if (startsAt && now < Date.parse(startsAt)) return "waiting";
  return endsAt && now >= Date.parse(endsAt) ? "over" : "open";
}

/** When it can be taken, in the reader's zone. */
export function windowOf({ startsAt, endsAt }: Exam): string {
  if (startsAt && endsAt) {
    const sameDay = new Date(startsAt).toDateString() === new Date(endsAt).toDateString();
    return `Open from ${day(startsAt)} to ${sameDay ? hourAndMinute(endsAt) : day(endsAt)}`;
  }
  if (startsAt) return `Open from ${day(startsAt)}`;
  return endsAt ? `Open until ${day(endsAt)}` : "Open at any time";
}

/** How far the student has got, or why it cannot be taken now; nothing where it is simply open. */
export function stateOf({ openness, status }: Listed): string {
  switch (status) {
    case "SUBMITTED":
      return "You have handed this exam in.";
    case "TIMED_OUT":
      return "Your time for this exam is over.";
    case "TERMINATED":
      return "This exam was ended for you.";
    case "DENIED":
      return "You were not let into this exam.";
    case undefined:
      return openness === "open" ? "" : `${openness === "over" ? "Over" : "Not open yet"}, by this device’s clock.`;
    default:
      return "You have begun this exam.";
  }
}
