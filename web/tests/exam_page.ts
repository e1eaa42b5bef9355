/** An exam page under test: the client, and all that it told its page. */

import { vi } from "vitest";
import { connect, type ExamClient, type ExamClientEvents, type ExamOptions } from "../client/exam";
import type { Started } from "../client/protocol";
import { ok, server } from "./fake";
import { EXAM, started, TOKEN } from "./fixtures";
import { NOTHING } from "./page";

export const URL = "https://proctoring.example";

const EVENTS: (keyof ExamClientEvents)[] = [
  "connection",
  "session",
  "time",
  "chat",
  "command",
  "warned",
  "paused",
  "terminated",
  "pending",
  "rejected",
];

const open: ExamClient[] = [];

export class Page {
  /** Event and what came with it, in order. */
  readonly told: [event: string, ...what: unknown[]][] = [];

  constructor(
    readonly client: ExamClient,
    /** A promise that is awaited elsewhere. */
    readonly starting: Promise<Started>,
  ) {}

  /** The first argument of each such event. */
  of(event: keyof ExamClientEvents): unknown[] {
    return this.told.filter(([name]) => name === event).map(([, what]) => what);
  }
}

/** A page that has called `start`; what the server answers is up to the test. */
export function page(options: Partial<ExamOptions> = {}): Page {
  const client = connect({ url: URL, token: TOKEN, observe: NOTHING, ...options });
  open.push(client);
  const starting = client.start(EXAM);
  starting.catch(() => undefined);
  const made = new Page(client, starting);
  for (const event of EVENTS) client.on(event, (...what: unknown[]) => void made.told.push([event, ...what]));
  return made;
}

/** A page that takes part, each report of which is recorded. */
export async function takingPart(answer: Partial<Started> = {}, options: Partial<ExamOptions> = {}): Promise<Page> {
  server.on("start", () => ok(started(answer)));
  server.on("command_ack", () => ok({}));
  server.on("heartbeat", () => ok({ ...BEAT, status: "ACTIVE" }));
  server.on("replay", ({ items }) => ok({ recorded: (items as []).length, duplicates: 0, rejected: [] }));
  const made = page(options);
  await vi.advanceTimersByTimeAsync(0);
  await made.starting;
  return made;
}

export const BEAT = { serverTime: "2026-05-04T09:00:05.000Z", remainingMs: 3_595_000, nextHeartbeatMs: 5000 };

/** What was reported, in the order in which it was sent. */
export function reported(): { event: string; payload: Record<string, unknown> }[] {
  return server.of("replay").flatMap(({ items }) => items as []);
}

export function closeAll(): void {
  for (const client of open.splice(0)) client.close();
}
