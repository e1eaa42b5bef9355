/** Whatever happens on the way, each event is stored once or told to be rejected once. */

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ProctoringError } from "../client/errors";
import { openOutbox } from "../client/outbox";
import type { EventError, Rejected, Replay, Replayed } from "../client/protocol";
import { Sender } from "../client/sender";
import { dice, SEEDS } from "./seeded";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it.each(SEEDS)("nothing is lost and nothing is there twice (seed %i)", async (seed) => {
  const { roll, chance, pick } = dice(seed);
  const outbox = await openOutbox("exam");
  const stored: number[] = [];
  const told: number[] = [];
  const bad = new Set<number>();
  let online = true;
  let calm = false;
  let under = 0;

  const refusal = (seq: number): EventError["code"] | undefined => {
    if (bad.has(seq)) return "invalid_payload";
    return !calm && chance(10) ? pick(["unavailable", "rate_limited", "internal"] as const) : undefined;
  };

  async function replay({ items }: Replay): Promise<Replayed> {
    expect(++under).toBe(1);
    try {
      const seqs = items.map(({ payload }) => payload!["seq"] as number);
      expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
      await new Promise((resolve) => setTimeout(resolve, roll(400)));
      if (!calm && chance(15)) throw new ProctoringError("offline", "It never arrived.");
      const rejected: Rejected[] = [];
      for (const seq of seqs) {
        const code = refusal(seq);
        if (code) rejected.push({ seq, error: { code, message: code } });
        else if (!stored.includes(seq)) stored.push(seq);
      }
      if (!calm && chance(15)) throw new ProctoringError("offline", "The ack got lost.");
      return { recorded: 0, duplicates: 0, rejected };
    } finally {
      under -= 1;
    }
  }

  const sender = new Sender(
    outbox,
    () => online,
    replay,
    (event, ...[what]) => {
      if (event === "rejected" && typeof what === "object") told.push(what.seq);
    },
  );
  const all: number[] = [];
  for (let step = 0; step < 120; step++) {
    if (chance(50)) {
      const seq = all.length + 1;
      if (chance(10)) bad.add(seq);
      all.push(seq);
      void sender.add("chat", { text: `${seq}` });
    }
    if (chance(10)) {
      online = !online;
      if (online) void sender.send();
    }
    await vi.advanceTimersByTimeAsync(roll(300));
  }
  calm = online = true;
  void sender.send();
  await vi.advanceTimersByTimeAsync(60_000);

  expect(await outbox.count()).toBe(0);
  const ascending = (seqs: number[]) => seqs.toSorted((a, b) => a - b);
  expect(ascending(stored)).toEqual(all.filter((seq) => !bad.has(seq)));
  expect(ascending(told)).toEqual([...bad]);
});
