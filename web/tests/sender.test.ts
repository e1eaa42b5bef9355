import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ProctoringError } from "../client/errors";
import { openOutbox, type Outbox } from "../client/outbox";
import type { EventError, Replay, Replayed } from "../client/protocol";
import { Sender } from "../client/sender";

type Item = { event: string; payload: { seq: number; text?: string } };
type Told = ["pending", number] | ["rejected", number, string];

let outbox: Outbox;
let sender: Sender;
let ready: boolean;
let told: Told[];
let sent: Item[][];
let replay: (items: Item[]) => Replayed | Promise<Replayed>;

function taken(...rejected: [seq: number, code: EventError["code"], retryAfterMs?: number][]): Replayed {
  return {
    recorded: 0,
    duplicates: 0,
    rejected: rejected.map(([seq, code, retryAfterMs]) => ({ seq, error: { code, message: code, retryAfterMs } })),
  };
}

function seqs(items: Item[]): number[] {
  return items.map(({ payload }) => payload.seq);
}

async function waiting(): Promise<number[]> {
  return (await outbox.oldest(1000)).map(({ seq }) => seq);
}

/** Fill the outbox without the sender's knowing. */
async function keep(number: number, text: (at: number) => string = String): Promise<void> {
  for (let at = 1; at <= number; at++) await outbox.add("chat", { text: text(at) });
}

beforeEach(async () => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  outbox = await openOutbox("exam"); // in memory: this browser has no IndexedDB
  ready = true;
  told = [];
  sent = [];
  replay = () => taken();
  sender = new Sender(
    outbox,
    () => ready,
    async ({ items }: Replay) => {
      sent.push(items as Item[]);
      return replay(items as Item[]);
    },
    (event, ...[what, error]) => {
      told.push(typeof what === "number" ? ["pending", what] : ["rejected", what.seq, error!.code]);
      expect(event).toBe(told[told.length - 1]![0]);
    },
  );
});
afterEach(() => {
  sender.close();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("what waits", () => {
  it("goes in order, with its numbers, and leaves the outbox", async () => {
    await keep(3);
    await sender.send();
    expect(sent).toEqual([[1, 2, 3].map((seq) => ({ event: "chat", payload: { text: String(seq), seq } }))]);
    expect(await waiting()).toEqual([]);
  });

  it("is told of: when it is kept, and when it is acknowledged", async () => {
    await sender.add("chat", { text: "a" });
    await sender.send();
    expect(told).toEqual([
      ["pending", 1],
      ["pending", 0],
    ]);
  });

  it("stays while there is no connection, and goes when there is", async () => {
    ready = false;
    expect(await sender.add("chat", { text: "a" })).toBe(1);
    await sender.send();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sent).toEqual([]);
    ready = true;
    await sender.send();
    expect(sent.map(seqs)).toEqual([[1]]);
  });

  it("goes five hundred at a time at most", async () => {
    await keep(1201);
    await sender.send();
    expect(sent.map((items) => items.length)).toEqual([500, 500, 201]);
    expect(sent.flatMap(seqs)).toEqual(Array.from({ length: 1201 }, (_, at) => at + 1));
  });

  // 256 KiB is what a frame may have; text in UTF-8 takes up to three bytes a character.
  it.each([
    ["a", 2000, 300],
    ["\u0000", 2000, 100],
    ["漢", 2000, 100],
    ["🙂", 1000, 100],
  ])("goes in frames that the server takes: texts of %j", async (character, length, number) => {
    await keep(number, () => character.repeat(length));
    await sender.send();
    expect(sent.flatMap(seqs)).toEqual(Array.from({ length: number }, (_, at) => at + 1));
    const bytes = sent.map((items) => new TextEncoder().encode(JSON.stringify(["replay", { items }])).length + 32);
    expect(Math.max(...bytes)).toBeLessThanOrEqual(256 * 1024);
  });

  it("goes alone where one is larger than all that may go together", async () => {
    await keep(3, (at) => (at === 2 ? "x".repeat(220_000) : "short"));
    await sender.send();
    expect(sent.map(seqs)).toEqual([[1], [2], [3]]);
  });
});

describe("what is refused", () => {
  it("leaves and is told where it will never be taken; the rest is taken", async () => {
    await keep(3);
    replay = () => taken([2, "invalid_payload"]);
    await sender.send();
    expect(await waiting()).toEqual([]);
    expect(told).toContainEqual(["rejected", 2, "invalid_payload"]);
    expect(told.filter(([event]) => event === "rejected")).toHaveLength(1);
    expect(sent).toHaveLength(1);
  });

  it.each(["unavailable", "rate_limited", "internal"] as const)("stays for now and is sent again: %s", async (code) => {
    await keep(3);
    replay = (items) => (seqs(items).includes(1) ? taken([2, code], [3, "conflict"]) : taken());
    await sender.send();
    expect(await waiting()).toEqual([2]);
    expect(told.filter(([event]) => event === "rejected")).toEqual([["rejected", 3, "conflict"]]);
    await vi.advanceTimersByTimeAsync(2000);
    expect(sent.map(seqs)).toEqual([[1, 2, 3], [2]]);
    expect(await waiting()).toEqual([]);
  });

  it("is sent again when the server says, not before", async () => {
    await keep(1);
    replay = () => (sent.length === 1 ? taken([1, "rate_limited", 8000]) : taken());
    await sender.send();
    await vi.advanceTimersByTimeAsync(7999);
    expect(sent).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(sent).toHaveLength(2);
    expect(await waiting()).toEqual([]);
  });

  it("is not sent before that because something else is added", async () => {
    await keep(1);
    replay = () => (sent.length === 1 ? taken([1, "rate_limited", 8000]) : taken());
    await sender.send();
    await vi.advanceTimersByTimeAsync(1000);
    await sender.add("chat", { text: "more" });
    await vi.advanceTimersByTimeAsync(6999);
    expect(sent.map(seqs)).toEqual([[1]]);
    await vi.advanceTimersByTimeAsync(1);
    expect(sent.map(seqs)).toEqual([[1], [1, 2]]);
  });

  it("is sent again more slowly each time, and as soon as ever once one was taken", async () => {
    await keep(1);
    replay = () => Promise.reject(new ProctoringError("offline", "The server did not answer."));
    await sender.send();
    await vi.advanceTimersByTimeAsync(1000 + 2000 + 4000 + 8000 - 1);
    expect(sent).toHaveLength(4);
    await vi.advanceTimersByTimeAsync(1 + 15_000);
    expect(sent).toHaveLength(6);
    replay = () => taken();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(await waiting()).toEqual([]);
    sent.length = 0;
    await keep(1);
    replay = () => taken([2, "unavailable"]);
    await sender.send();
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent).toHaveLength(2);
  });
});

describe("an event that is added meanwhile", () => {
  it("goes after what is under way, which goes once; one message at a time", async () => {
    let under = 0;
    const answers: (() => void)[] = [];
    replay = () => {
      expect(++under).toBe(1);
      return new Promise((resolve) => answers.push(() => (under--, resolve(taken()))));
    };
    await sender.add("chat", { text: "first" });
    await vi.advanceTimersByTimeAsync(0);
    await Promise.all([sender.add("chat", { text: "second" }), sender.add("chat", { text: "third" })]);
    const all = sender.send();
    await vi.advanceTimersByTimeAsync(0);
    expect(sent.map(seqs)).toEqual([[1]]);
    answers[0]!();
    await vi.advanceTimersByTimeAsync(0);
    expect(sent.map(seqs)).toEqual([[1], [2, 3]]);
    answers[1]!();
    await all;
    expect(await waiting()).toEqual([]);
  });

  it("is sent wherever the one before it is at that moment", async () => {
    for (let ticks = 0; ticks < 30; ticks++) {
      await sender.add("chat", { text: "before" });
      for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
      await sender.add("chat", { text: "after" });
      await vi.advanceTimersByTimeAsync(0);
      expect(await waiting()).toEqual([]);
    }
    expect(sent.flatMap(seqs)).toEqual(Array.from({ length: 60 }, (_, at) => at + 1));
  });
});

it("sends nothing more once it is closed", async () => {
  await keep(1);
  replay = () => taken([1, "unavailable"]);
  await sender.send();
  sender.close();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(sent).toHaveLength(1);
});

it("ends quietly where the page closes the outbox while something is under way", async () => {
  await keep(1);
  replay = () => {
    const closed = () => Promise.reject(new DOMException("The database is closing.", "InvalidStateError"));
    ready = false;
    for (const method of ["oldest", "count", "drop"] as const) vi.spyOn(outbox, method).mockImplementation(closed);
    return Promise.reject(new ProctoringError("offline", "The connection was closed."));
  };
  await expect(sender.send()).resolves.toBeUndefined();
});
