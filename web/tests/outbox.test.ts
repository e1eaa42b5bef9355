import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openOutbox, type Outbox } from "../client/outbox";
import { dice, SEEDS } from "./seeded";

const opened: Outbox[] = [];

async function open(scope = "exam"): Promise<Outbox> {
  const outbox = await openOutbox(scope);
  opened.push(outbox);
  return outbox;
}

async function seqs(outbox: Outbox): Promise<number[]> {
  return (await outbox.oldest(1000)).map(({ seq }) => seq);
}

function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, at) => at + 1);
}

beforeEach(() => vi.stubGlobal("indexedDB", new IDBFactory()));
afterEach(() => {
  for (const outbox of opened.splice(0)) outbox.close();
  vi.unstubAllGlobals();
});

describe.each([
  ["in IndexedDB", () => undefined, true],
  ["without IndexedDB", () => vi.stubGlobal("indexedDB", undefined), false],
])("an outbox %s", (_, prepare, durable) => {
  beforeEach(prepare);

  it("says whether it outlives a reload", async () => {
    expect((await open()).durable).toBe(durable);
  });

  it("keeps events in order, numbered from 1", async () => {
    const outbox = await open();
    expect(await outbox.add("chat", { text: "a" })).toBe(1);
    expect(await outbox.add("activity", { type: "copy" })).toBe(2);
    expect(await outbox.count()).toBe(2);
    expect(await outbox.oldest(10)).toMatchObject([
      { scope: "exam", seq: 1, event: "chat", payload: { text: "a" } },
      { scope: "exam", seq: 2, event: "activity", payload: { type: "copy" } },
    ]);
  });

  it("gives the oldest, as many as are wanted", async () => {
    const outbox = await open();
    for (let at = 0; at < 5; at++) await outbox.add("chat", { text: String(at) });
    expect((await outbox.oldest(3)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  it("drops what is named and nothing else, and numbers on", async () => {
    const outbox = await open();
    for (let at = 0; at < 4; at++) await outbox.add("chat", { text: String(at) });
    await outbox.drop([1, 3, 99]);
    expect(await seqs(outbox)).toEqual([2, 4]);
    expect(await outbox.count()).toBe(2);
    await outbox.drop([2, 4]);
    expect(await outbox.add("chat", { text: "next" })).toBe(5);
  });

  it("numbers on from what the server has stored, never back", async () => {
    const outbox = await open();
    await outbox.raise(7);
    expect(await outbox.add("chat", { text: "a" })).toBe(8);
    await outbox.raise(3);
    expect(await outbox.add("chat", { text: "b" })).toBe(9);
  });

  it("gives numbers without a gap to adds at the same time", async () => {
    const outbox = await open();
    const given = await Promise.all(upTo(20).map((at) => outbox.add("chat", { text: String(at) })));
    expect(given.toSorted((a, b) => a - b)).toEqual(upTo(20));
    expect(await seqs(outbox)).toEqual(upTo(20));
  });
});

describe("two tabs with the same exam", () => {
  it("are the same client", async () => {
    const [one, other] = await Promise.all([open(), open()]);
    expect(one.clientId).toBe(other.clientId);
  });

  it.each(SEEDS.slice(0, 12))("never give a number twice nor leave one out (seed %i)", async (seed) => {
    const { pick, chance } = dice(seed);
    const tabs = await Promise.all([open(), open()]);
    const under: Promise<number>[] = [];
    for (let at = 0; at < 40; at++) {
      under.push(pick(tabs).add("chat", { text: String(at) }));
      if (chance(20)) await under[under.length - 1];
    }
    const given = await Promise.all(under);
    expect(given.toSorted((a, b) => a - b)).toEqual(upTo(40));
    expect(await seqs(tabs[0])).toEqual(upTo(40));
  });
});

describe("an outbox that was closed", () => {
  it("is as it was when it is opened again", async () => {
    const before = await open();
    await before.add("chat", { text: "a" });
    await before.add("chat", { text: "b" });
    await before.drop([1]);
    before.close();
    const after = await open();
    expect(after.clientId).toBe(before.clientId);
    expect(await after.oldest(10)).toMatchObject([{ scope: "exam", seq: 2, event: "chat", payload: { text: "b" } }]);
    expect(await after.add("chat", { text: "c" })).toBe(3);
  });

  it("keeps at the next start what was being kept when the page went, once", async () => {
    const before = await open();
    const adding = before.add("chat", { text: "a" });
    dispatchEvent(new Event("pagehide")); // its transaction is open
    const noted = JSON.stringify(Object.fromEntries(Object.entries(localStorage)));
    expect(noted).toContain("unkept");
    await adding; // it went through after all
    before.close();
    localStorage.clear();
    for (const [key, value] of Object.entries(JSON.parse(noted) as Record<string, string>)) localStorage.setItem(key, value);
    const after = await open();
    expect(await after.count()).toBe(1);
    await after.drop([1]);
    after.close();
    for (const [key, value] of Object.entries(JSON.parse(noted) as Record<string, string>)) localStorage.setItem(key, value);
    const last = await open();
    expect(await last.oldest(10)).toMatchObject([{ seq: 2, event: "chat", payload: { text: "a" } }]);
    expect(JSON.stringify(Object.entries(localStorage))).not.toContain("unkept");
  });

  it("numbers on also where nothing waits any more", async () => {
    const before = await open();
    await before.drop([await before.add("chat", { text: "a" })]);
    before.close();
    expect(await (await open()).add("chat", { text: "b" })).toBe(2);
  });
});

describe("two scopes", () => {
  it("do not see each other, also where one's name begins like the other's", async () => {
    const [one, other, third] = await Promise.all([open("exam 1"), open("exam 10"), open("exam")]);
    await one.add("chat", { text: "one" });
    await one.add("chat", { text: "one more" });
    await other.add("chat", { text: "other" });
    expect(await seqs(one)).toEqual([1, 2]);
    expect(await seqs(other)).toEqual([1]);
    expect(await third.count()).toBe(0);
    await other.drop([1, 2]);
    await other.raise(50);
    expect(await seqs(one)).toEqual([1, 2]);
    expect(await one.add("chat", { text: "a third" })).toBe(3);
    expect(new Set([one.clientId, other.clientId, third.clientId]).size).toBe(3);
  });
});

describe("where IndexedDB cannot be opened", () => {
  it.each([
    ["throws", () => ({ open: () => { throw new DOMException("denied", "SecurityError"); } })], // prettier-ignore
    ["has a newer database of that name", newer],
  ])("memory has to do: it %s", async (_, broken) => {
    vi.stubGlobal("indexedDB", await broken());
    const outbox = await open();
    expect(outbox.durable).toBe(false);
    expect(await outbox.add("chat", { text: "a" })).toBe(1);
    expect(await seqs(outbox)).toEqual([1]);
  });
});

async function newer(): Promise<IDBFactory> {
  const factory = new IDBFactory();
  await new Promise((resolve) => (factory.open("proctoring", 2).onsuccess = resolve));
  return factory;
}

describe("an event that cannot be kept", () => {
  it("is refused and takes no number", async () => {
    const outbox = await open();
    await expect(outbox.add("activity", { type: "copy", data: { what: () => "a function" } })).rejects.toThrow();
    expect(await outbox.add("chat", { text: "a" })).toBe(1);
  });
});
