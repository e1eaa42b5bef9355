/** What outlives a reload. */

import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { closeAll, page, reported, type Page } from "./exam_page";
import { ok, server } from "./fake";
import { session, started } from "./fixtures";
import { NOTHING, onWindow } from "./page";

vi.mock("socket.io-client", () => import("./fake"));

const RELOAD = { ...NOTHING, reload: true };
let student = 0;

/** The database needs turns of the event loop of its own, which no timer gives. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    await vi.advanceTimersByTimeAsync(0);
  }
}

async function loaded(observe = NOTHING): Promise<Page> {
  const made = page({ observe, token: `h.${btoa(JSON.stringify({ sub: `student ${student}` }))}.s` });
  await settled();
  return made;
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"] });
  vi.setSystemTime("2026-05-04T09:00:00.000Z");
  vi.stubGlobal("indexedDB", new IDBFactory());
  vi.stubGlobal("BroadcastChannel", undefined);
  localStorage.clear();
  student += 1;
  server.reset();
  server.on("start", () => ok(started()));
  server.on("replay", ({ items }) => ok({ recorded: (items as []).length, duplicates: 0, rejected: [] }));
});
afterEach(() => {
  closeAll();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("what was reported before a reload", () => {
  it("is sent after it, by the same client, with the same numbers", async () => {
    const before = await loaded();
    expect(before.client.durable).toBe(true);
    server.socket.drop();
    await before.client.chat("first");
    await before.client.report("copy");
    before.client.close();

    server.on("start", () => ok(started({ lastSeq: 0 })));
    const after = await loaded();
    expect(reported().map(({ event, payload }) => [event, payload["seq"]])).toEqual([
      ["chat", 1],
      ["activity", 2],
    ]);
    expect(server.connections[1]?.["clientId"]).toBe(server.connections[0]?.["clientId"]);
    await after.client.chat("second");
    await settled();
    expect(reported()[2]?.payload["seq"]).toBe(3);
  });

  it("is sent again where its ack got lost, with the same number", async () => {
    const before = await loaded();
    server.on("replay", () => undefined);
    await before.client.chat("first");
    await settled();
    before.client.close();
    server.on("replay", () => ok({ recorded: 0, duplicates: 1, rejected: [] }));
    const after = await loaded();
    expect(reported().map(({ payload }) => payload["seq"])).toEqual([1, 1]);
    expect(after.of("pending")).toEqual([1, 0]);
  });

  it("is not sent as another student", async () => {
    const before = await loaded();
    server.socket.drop();
    await before.client.chat("first");
    before.client.close();
    student += 1;
    await loaded();
    expect(reported()).toEqual([]);
  });
});

describe("a reload", () => {
  async function reloaded(seconds: number): Promise<void> {
    onWindow("pagehide");
    closeAll();
    await vi.advanceTimersByTimeAsync(seconds * 1000);
  }
  const reloads = () => reported().filter(({ payload }) => payload["type"] === "page_reload");

  it("is reported once the page is back, with how long it was gone", async () => {
    await loaded(RELOAD);
    expect(reloads()).toEqual([]);
    await reloaded(4);
    await loaded(RELOAD);
    expect(reloads().map(({ payload }) => payload["data"])).toEqual([{ durationMs: 4000 }]);
  });

  it("is reported also where the session changes before start is answered", async () => {
    await loaded(RELOAD);
    await reloaded(4);
    server.on("start", (_, socket) => {
      socket.push("session", session({ rev: 2 }));
      return ok(started({ session: session({ rev: 2 }) }));
    });
    await loaded(RELOAD);
    expect(reloads()).toHaveLength(1);
  });

  it("is not reported of a session that is over", async () => {
    await loaded(RELOAD);
    server.socket.push("session", session({ rev: 2, status: "SUBMITTED" }));
    await reloaded(4);
    server.on("start", () => ok(started({ session: session({ rev: 2, status: "SUBMITTED" }) })));
    await loaded(RELOAD);
    expect(reloads()).toEqual([]);
  });

  it("is not reported where that is switched off", async () => {
    await loaded();
    await reloaded(4);
    await loaded();
    expect(reloads()).toEqual([]);
  });

  it("is not noted by a client that was closed before", async () => {
    const { client } = await loaded(RELOAD);
    client.close();
    onWindow("pagehide");
    expect(localStorage).toHaveLength(0);
  });
});
