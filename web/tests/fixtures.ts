/** What a server answers: complete by the contract, changed where a test says so. */

import type { Activity, ChatMessage, Command, Exam, Joined, ProctoringSession, Started } from "../client/protocol";

export const EXAM = "65f1c0ffee0123456789ab01";
export const SESSION = "65f1c0ffee0123456789ab02";
export const STUDENT = "65f1c0ffee0123456789ab03";
const ORGANISATION = "65f1c0ffee0123456789ab04";
const NINE = "2026-05-04T09:00:00.000Z";

export const TOKEN = `h.${btoa(JSON.stringify({ sub: STUDENT }))}.s`;

export function exam(): Exam {
  return {
    id: EXAM,
    title: "Algebra",
    duration: 60,
    organisationId: ORGANISATION,
    startsAt: null,
    endsAt: null,
    rehearsal: false,
    policy: {},
    createdAt: NINE,
    updatedAt: NINE,
  };
}

export function session(more: Partial<ProctoringSession> = {}): ProctoringSession {
  return {
    id: SESSION,
    rev: 1,
    status: "ACTIVE",
    connectivity: "ONLINE",
    startTime: NINE,
    endTime: null,
    examId: EXAM,
    userId: STUDENT,
    organisationId: ORGANISATION,
    lastHeartbeatAt: null,
    user: { id: STUDENT, name: "Ada" },
    activatedAt: NINE,
    deadline: "2026-05-04T10:00:00.000Z",
    timeLedger: [],
    remainingMs: 3_600_000,
    hand: null,
    lastActivityAt: null,
    createdAt: NINE,
    updatedAt: NINE,
    ...more,
  };
}

export function started(more: Partial<Started> = {}): Started {
  return {
    session: session(),
    exam: exam(),
    clientId: "6f1c3f0e-8f5a-4c1e-9d55-0a2f0b8a6f10",
    lastSeq: 0,
    serverTime: NINE,
    remainingMs: 3_600_000,
    heartbeatIntervalMs: 5000,
    chat: [],
    ...more,
  };
}

export function said(offset: number, text = `message ${offset}`): ChatMessage {
  return { offset, text, from: { name: "Grace" }, at: NINE };
}

export function command(id: string, action: Command["action"] = "warn"): Command {
  return {
    id,
    examId: EXAM,
    sessionId: SESSION,
    action,
    reason: null,
    text: "Look at your own screen.",
    minutes: null,
    actorId: null,
    fate: "DELIVERED",
    createdAt: NINE,
    deliveredAt: NINE,
    acknowledgedAt: null,
    expiresAt: "2026-05-05T09:00:00.000Z",
  };
}

export function activity(offset: number, more: Partial<Activity> = {}): Activity {
  return {
    id: offset.toString(16).padStart(24, "0"),
    offset,
    examId: EXAM,
    sessionId: SESSION,
    userId: STUDENT,
    organisationId: ORGANISATION,
    type: "copy",
    severity: "medium",
    source: "client",
    actorId: STUDENT,
    clientId: null,
    seq: null,
    occurredAt: null,
    receivedAt: NINE,
    late: false,
    data: {},
    ...more,
  };
}

export function activities(...offsets: number[]): Activity[] {
  return offsets.map((offset) => activity(offset));
}

export function joined(more: Partial<Joined> = {}): Joined {
  return {
    exam: exam(),
    epoch: "first",
    offset: 0,
    sessions: [],
    activity: [],
    truncated: false,
    reset: false,
    ...more,
  };
}
