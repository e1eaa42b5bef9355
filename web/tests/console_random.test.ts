/** Whatever happens to the connection, a console has seen everything once, in order, and has counted it. */

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Activity, Counts, Joined, ProctoringSession } from "../client/protocol";
import { atDesk, closeAll, offsetsOf } from "./desk";
import { ok, refused, server, type FakeSocket } from "./fake";
import { activity, EXAM, joined, session } from "./fixtures";
import { dice, SEEDS, type Dice } from "./seeded";

vi.mock("socket.io-client", () => import("./fake"));

beforeEach(() => {
  vi.useFakeTimers();
  server.reset();
});
afterEach(() => {
  closeAll();
  vi.useRealTimers();
});

const SEVERITIES = ["info", "low", "medium", "high", "critical"] as const;
const TYPES = ["copy", "tab_change", "heartbeat_missing", "chat"] as const;
const MOST_AT_JOIN = 6;

/** An exam's log and sessions as the server has them, and one console that may have joined. */
class Exam {
  readonly log: Activity[] = [];
  readonly revs = new Map<string, number>();
  joined: string | undefined;
  calm = false;

  constructor(private readonly dice: Dice) {}

  counts(sessionId: string, upto = this.log.length): Counts {
    const counts: Counts = { info: 0, low: 0, medium: 0, high: 0, critical: 0 };
    for (const item of this.log.slice(0, upto)) {
      if (item.sessionId === sessionId && !item.type.startsWith("heartbeat_")) counts[item.severity] += 1;
    }
    return counts;
  }

  sessions(): ProctoringSession[] {
    return [...this.revs].map(([id, rev]) => session({ id, rev, counts: this.counts(id) }));
  }

  async join(since: number | undefined, socket: FakeSocket): Promise<Joined | undefined> {
    const { dice } = this;
    const { id } = socket;
    this.joined = undefined;
    await new Promise((resolve) => setTimeout(resolve, dice.roll(200)));
    if (socket.id !== id || (!this.calm && dice.chance(10))) return undefined;
    const after = this.log.slice(since ?? Math.max(0, this.log.length - MOST_AT_JOIN));
    const truncated = after.length > MOST_AT_JOIN;
    const items = after.slice(0, MOST_AT_JOIN);
    const offset = truncated ? items[MOST_AT_JOIN - 1]!.offset : this.log.length;
    if (!truncated) this.joined = id;
    if (dice.chance(30)) server.afterAck.push(() => this.happen(socket));
    return joined({ activity: items, offset, truncated, sessions: this.sessions() });
  }

  /** One to three things happen; who has joined is told, unless the message gets lost. */
  happen(socket: FakeSocket): void {
    const { dice } = this;
    const items = Array.from({ length: 1 + dice.roll(3) }, () => {
      const sessionId = `65f1c0ffee0123456789aa0${dice.roll(5)}`;
      this.revs.set(sessionId, (this.revs.get(sessionId) ?? 0) + 1);
      const offset = this.log.length + 1;
      const item = activity(offset, { sessionId, severity: dice.pick(SEVERITIES), type: dice.pick(TYPES) });
      this.log.push(item);
      return item;
    });
    if (this.joined !== socket.id) return;
    const pushes = [
      () => socket.push("activity", { examId: EXAM, items }),
      () => socket.push("presence", { examId: EXAM, items: this.sessions().filter(() => dice.chance(50)) }),
    ];
    if (dice.chance(50)) pushes.reverse();
    for (const push of pushes) if (this.calm || !dice.chance(8)) push();
  }
}

it.each(SEEDS)("each once, in order, all counted (seed %i)", async (seed) => {
  const { roll, chance } = dice(seed);
  const exam = new Exam(dice(seed + 1000));
  server.on("join", async ({ since }, socket) => {
    const answer = await exam.join(since as number | undefined, socket);
    return answer ? ok(answer) : refused("unavailable");
  });
  const desk = atDesk();
  const { client } = desk;

  for (let step = 0; step < 100; step++) {
    if (chance(60)) exam.happen(server.socket);
    if (chance(6)) server.socket.drop();
    if (chance(3)) server.socket.kick();
    await vi.advanceTimersByTimeAsync(roll(120));
  }
  exam.calm = true;
  await vi.advanceTimersByTimeAsync(30_000);
  exam.happen(server.socket);
  await vi.advanceTimersByTimeAsync(30_000);

  const offsets = offsetsOf(desk);
  const first = offsets[0]!;
  expect(offsets).toEqual(exam.log.slice(first - 1).map(({ offset }) => offset));
  expect(client.offset).toBe(exam.log.length);
  expect([...client.sessions.keys()].toSorted()).toEqual([...exam.revs.keys()].toSorted());
  for (const [id, { counts, rev }] of client.sessions) {
    expect(counts).toEqual(exam.counts(id));
    expect(rev).toBeLessThanOrEqual(exam.revs.get(id)!);
  }
  const figures = desk.caughtUp.map(([, offset]) => offset);
  expect(figures).toEqual(figures.toSorted((a, b) => a - b));
});
