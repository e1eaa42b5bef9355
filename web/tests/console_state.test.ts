/** What a console knows of the sessions. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Activity, Joined, ProctoringSession } from "../client/protocol";
import { atDesk, closeAll, type Desk } from "./desk";
import { ok, server } from "./fake";
import { activities, activity, command, EXAM, joined, session, SESSION } from "./fixtures";

vi.mock("socket.io-client", () => import("./fake"));

const NONE = { info: 0, low: 0, medium: 0, high: 0, critical: 0 };
const UUID = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
const NEW = "65f1c0ffee0123456789abee";

beforeEach(() => {
  vi.useFakeTimers();
  vi.setSystemTime("2026-05-04T09:00:00.000Z");
  server.reset();
});
afterEach(() => {
  closeAll();
  vi.useRealTimers();
});

async function watching(answer: Partial<Joined> = {}): Promise<Desk> {
  server.on("join", () => ok(joined(answer)));
  const desk = atDesk();
  await vi.advanceTimersByTimeAsync(0);
  await desk.joining;
  return desk;
}

function happened(...items: Activity[]): void {
  server.socket.push("activity", { examId: EXAM, items });
}

function present(...items: ProctoringSession[]): void {
  server.socket.push("presence", { examId: EXAM, items });
}

describe("counts", () => {
  it("go up by severity, from those of the join", async () => {
    const desk = await watching({ offset: 5, sessions: [session({ counts: { ...NONE, medium: 5 } })] });
    happened(activity(6, { severity: "medium" }), activity(7, { severity: "critical" }));
    happened(activity(8, { severity: "info" }));
    expect(desk.client.sessions.get(SESSION)?.counts).toEqual({ ...NONE, info: 1, medium: 6, critical: 1 });
  });

  it("are told with the session, and when something last happened", async () => {
    const desk = await watching({ sessions: [session({ counts: NONE })] });
    happened(activity(1, { receivedAt: "2026-05-04T09:07:00.000Z" }));
    const told = desk.sessions[desk.sessions.length - 1]!;
    expect(told.map(({ id, counts, lastActivityAt }) => [id, counts?.medium, lastActivityAt])).toEqual([
      [SESSION, 1, "2026-05-04T09:07:00.000Z"],
    ]);
  });

  it.each(["heartbeat_missing", "heartbeat_resumed"] as const)("leave technical things out: %s", async (type) => {
    const desk = await watching({ sessions: [session({ counts: NONE })] });
    happened(activity(1, { type, severity: "high" }));
    expect(desk.client.sessions.get(SESSION)?.counts).toEqual(NONE);
  });

  it("are nobody's where an activity is the exam's", async () => {
    const desk = await watching({ sessions: [session({ counts: NONE })] });
    happened(activity(1, { sessionId: null, userId: null, type: "server_restarted", severity: "info" }));
    expect(desk.client.sessions.get(SESSION)?.counts).toEqual(NONE);
    expect(desk.client.offset).toBe(1);
  });

  it.each([
    ["before", [present, happened]],
    ["after", [happened, present]],
  ] as const)("are right where a session's presence comes %s its activity", async (_, order) => {
    const desk = await watching({ sessions: [session({ counts: { ...NONE, low: 2 } })] });
    const known = session({ rev: 2, counts: { ...NONE, low: 2, medium: 1 } });
    const started = session({ id: NEW, counts: { ...NONE, info: 1 } });
    for (const push of order) {
      if (push === present) present(known, started);
      else happened(activity(1), activity(2, { sessionId: NEW, type: "session_started", severity: "info" }));
    }
    expect(desk.client.sessions.get(SESSION)?.counts).toEqual({ ...NONE, low: 2, medium: 1 });
    expect(desk.client.sessions.get(NEW)?.counts).toEqual({ ...NONE, info: 1 });
  });

  it("are those of the activities that were given, whatever a session's presence has in it", async () => {
    const desk = await watching({ sessions: [session({ counts: NONE })] });
    const counts = () => desk.client.sessions.get(SESSION)?.counts;
    present(session({ rev: 2, counts: { ...NONE, medium: 1 } }));
    expect(counts()).toEqual(NONE);
    happened(...activities(1, 2));
    expect(counts()).toEqual({ ...NONE, medium: 2 });
    present(session({ rev: 3, counts: { ...NONE, medium: 1 } }));
    expect(counts()).toEqual({ ...NONE, medium: 2 });
  });

  it("are those of the last join after a connection was away", async () => {
    const desk = await watching({ sessions: [session({ counts: NONE })] });
    happened(activity(1));
    const again = {
      offset: 4,
      activity: activities(2, 3, 4),
      sessions: [session({ counts: { ...NONE, medium: 4 } })],
    };
    server.on("join", () => ok(joined(again)));
    server.socket.drop();
    await vi.advanceTimersByTimeAsync(1000);
    happened(activity(5));
    expect(desk.client.sessions.get(SESSION)?.counts).toEqual({ ...NONE, medium: 5 });
  });
});

describe("a session's state", () => {
  it("is the newest, whatever comes after it", async () => {
    const desk = await watching({ sessions: [session({ rev: 4, counts: NONE })] });
    present(session({ rev: 6, status: "PAUSED" }));
    present(session({ rev: 5, status: "ACTIVE", connectivity: "LATE" }));
    expect(desk.client.sessions.get(SESSION)).toMatchObject({ rev: 6, status: "PAUSED", connectivity: "ONLINE" });
  });

  it("is not set back by a join that is older", async () => {
    const desk = await watching({ sessions: [session({ rev: 4, counts: NONE })] });
    present(session({ rev: 6, status: "PAUSED" }));
    server.on("join", () => ok(joined({ sessions: [session({ rev: 5, counts: NONE })] })));
    server.socket.drop();
    await vi.advanceTimersByTimeAsync(1000);
    expect(desk.client.sessions.get(SESSION)?.rev).toBe(6);
  });

  it("is told of all that changed at once", async () => {
    const desk = await watching();
    desk.sessions.length = 0;
    present(session(), session({ id: NEW }));
    expect(desk.sessions.map((items) => items.map(({ id }) => id))).toEqual([[SESSION, NEW]]);
  });
});

describe("what is left", () => {
  it("is told by the server's clock, in a browser whose own is an hour slow", async () => {
    vi.setSystemTime("2026-05-04T08:00:00.000Z");
    const running = session({ deadline: "2026-05-04T10:00:00.000Z", remainingMs: 1_800_000, counts: NONE });
    const { client } = await watching({ sessions: [running] });
    expect(client.now()).toBe(Date.parse("2026-05-04T09:30:00.000Z"));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(client.remainingMs(running)).toBe(1_740_000);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(client.remainingMs(running)).toBe(0);
  });

  it("stands still while a session is paused", async () => {
    const paused = session({ status: "PAUSED", deadline: null, remainingMs: 900_000, counts: NONE });
    const { client } = await watching({ sessions: [paused] });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(client.remainingMs(paused)).toBe(900_000);
  });
});

it("tells of commands, and of each change of their fate", async () => {
  const desk = await watching();
  const given = command("c1");
  for (const fate of ["QUEUED", "DELIVERED", "ACKNOWLEDGED"] as const) {
    server.socket.push("commands", { examId: EXAM, items: [{ ...given, fate }] });
  }
  expect(desk.commands.map(([one]) => one?.fate)).toEqual(["QUEUED", "DELIVERED", "ACKNOWLEDGED"]);
});

it("asks with a request's id, which is another each time", async () => {
  const { client } = await watching();
  for (const event of ["chat", "lower_hand", "review"]) server.on(event, () => ok({ id: EXAM, offset: 1 }));
  server.on("command", () => ok({ commands: [] }));
  await client.command({ action: "pause", sessionId: SESSION, reason: "A break." });
  await client.chat("To all.");
  await client.chat("To one.", SESSION);
  await client.lowerHand(SESSION);
  await client.review(SESSION, "CLEARED");
  const asked = server.received.slice(1).map(({ event, payload }) => [event, payload]);
  expect(asked).toEqual([
    ["command", { requestId: UUID, examId: EXAM, action: "pause", sessionId: SESSION, reason: "A break." }],
    ["chat", { requestId: UUID, examId: EXAM, text: "To all." }],
    ["chat", { requestId: UUID, examId: EXAM, text: "To one.", sessionId: SESSION }],
    ["lower_hand", { requestId: UUID, sessionId: SESSION }],
    ["review", { requestId: UUID, sessionId: SESSION, verdict: "CLEARED" }],
  ]);
  expect(new Set(asked.map(([, payload]) => (payload as { requestId: string }).requestId)).size).toBe(5);
});
