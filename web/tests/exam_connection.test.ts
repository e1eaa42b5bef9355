import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ProctoringError } from "../client/errors";
import { closeAll, page, reported, takingPart } from "./exam_page";
import { ok, refused, server } from "./fake";
import { started, TOKEN } from "./fixtures";

vi.mock("socket.io-client", () => import("./fake"));

/** The tabs of one browser. */
class FakeChannel {
  static open: FakeChannel[] = [];
  onmessage: ((event: { data: unknown }) => void) | undefined;
  constructor() {
    FakeChannel.open.push(this);
  }
  postMessage(data: unknown): void {
    for (const other of FakeChannel.open) if (other !== this) other.onmessage?.({ data });
  }
  close(): void {
    FakeChannel.open = FakeChannel.open.filter((one) => one !== this);
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  vi.stubGlobal("BroadcastChannel", FakeChannel);
  FakeChannel.open = [];
  server.reset();
});
afterEach(() => {
  closeAll();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

async function minutes(number: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(number * 60_000);
}

describe("a refusal", () => {
  it.each(["unauthorized", "forbidden", "invalid_payload"] as const)("at connect is final: %s", async (code) => {
    server.admit = () => ({ code, message: "No." });
    const made = page();
    await minutes(5);
    await expect(made.starting).rejects.toMatchObject({ code, message: "No." });
    expect(server.connections).toHaveLength(1);
    expect(made.told).toEqual([["connection", "refused", expect.any(ProctoringError)]]);
  });

  it.each(["not_found", "conflict"] as const)("of start is final: %s", async (code) => {
    server.on("start", () => refused(code));
    const { client, starting } = page();
    await minutes(5);
    await expect(starting).rejects.toMatchObject({ code });
    expect([client.connection, server.socket.connected]).toEqual(["refused", false]);
    expect(server.connections).toHaveLength(1);
  });

  it("that passes is asked again, more slowly each time, until it is taken", async () => {
    server.on("start", () => refused("unavailable"));
    const { client, starting } = page();
    await vi.advanceTimersByTimeAsync(0);
    expect(client.connection).toBe("offline");
    await vi.advanceTimersByTimeAsync(500 + 1000 + 2000);
    expect(server.of("start")).toHaveLength(4);
    server.on("start", () => ok(started()));
    await vi.advanceTimersByTimeAsync(4000);
    expect((await starting).session.status).toBe("ACTIVE");
    expect(client.connection).toBe("online");
  });

  it("that passes is not asked again before the server wants to be asked", async () => {
    server.on("start", () => refused("rate_limited", { retryAfterMs: 9000 }));
    page();
    await vi.advanceTimersByTimeAsync(8999);
    expect(server.of("start")).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(server.of("start")).toHaveLength(2);
  });

  it("of a busy server at connect is none: it comes again", async () => {
    server.admit = () => ({ code: "unavailable", message: "Shutting down." });
    const { client } = page();
    await vi.advanceTimersByTimeAsync(0);
    expect(client.connection).toBe("offline");
    server.admit = () => undefined;
    server.on("start", () => ok(started()));
    await vi.advanceTimersByTimeAsync(2000);
    expect(client.connection).toBe("online");
  });
});

describe("a connection that breaks", () => {
  it("comes back by itself, and what was reported meanwhile is sent", async () => {
    const made = await takingPart();
    server.socket.drop();
    expect(made.client.connection).toBe("offline");
    await made.client.chat("Is anybody there?");
    await made.client.raiseHand();
    expect(made.of("pending")).toEqual([1, 2]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(reported()).toEqual([
      { event: "chat", payload: { text: "Is anybody there?", seq: 1 } },
      { event: "raise_hand", payload: { seq: 2 } },
    ]);
    expect(made.of("pending")).toEqual([1, 2, 0]);
    expect(made.of("connection")).toEqual(["online", "offline", "connecting", "online"]);
  });

  it("comes back also where the server closed it", async () => {
    const { client } = await takingPart();
    server.socket.kick();
    await vi.advanceTimersByTimeAsync(1000);
    expect(client.connection).toBe("online");
  });

  it("comes back with a token that was asked for anew", async () => {
    let number = 0;
    await takingPart({}, { token: async () => `${TOKEN}${++number}` });
    const first = server.connections[0]?.["token"];
    server.socket.kick();
    await vi.advanceTimersByTimeAsync(1000);
    expect(server.connections).toHaveLength(2);
    expect(server.connections[1]?.["token"]).not.toBe(first);
  });

  it("waits for a token that cannot be had just now", async () => {
    let fails = false;
    const { client } = await takingPart({}, { token: () => (fails ? Promise.reject(new Error("away")) : TOKEN) });
    fails = true;
    server.socket.kick();
    await vi.advanceTimersByTimeAsync(2000);
    expect(client.connection).toBe("offline");
    fails = false;
    await vi.advanceTimersByTimeAsync(15_000);
    expect(client.connection).toBe("online");
  });

  it("is tried at once when the browser has a network again", async () => {
    const { client } = await takingPart();
    server.admit = () => ({ code: "unavailable", message: "Busy." });
    server.socket.kick();
    await minutes(2);
    server.admit = () => undefined;
    globalThis.dispatchEvent(new Event("online"));
    await vi.advanceTimersByTimeAsync(500);
    expect(client.connection).toBe("online");
  });

  it("is not held against it later, once it has been online again", async () => {
    server.on("start", () => refused("unavailable"));
    const made = page();
    await minutes(2);
    server.on("start", () => ok(started()));
    await vi.advanceTimersByTimeAsync(15_000);
    expect(made.client.connection).toBe("online");
    server.socket.kick();
    await vi.advanceTimersByTimeAsync(500);
    expect(made.client.connection).toBe("online");
  });
});

describe("a client that was replaced", () => {
  it("stops for good, and says so", async () => {
    const made = await takingPart();
    server.socket.push("replaced", {});
    server.socket.kick();
    const before = server.received.length;
    made.told.length = 0;
    await minutes(10);
    expect(made.client.connection).toBe("replaced");
    expect(server.connections).toHaveLength(1);
    expect(server.received).toHaveLength(before);
    expect(made.told).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is the older of two tabs with the same exam", async () => {
    const older = await takingPart();
    const newer = await takingPart();
    expect([older.client.connection, newer.client.connection]).toEqual(["replaced", "online"]);
  });

  it("is not one of another student in the same browser", async () => {
    const one = await takingPart();
    const other = await takingPart({}, { token: `h.${btoa(JSON.stringify({ sub: "another" }))}.s` });
    expect([one.client.connection, other.client.connection]).toEqual(["online", "online"]);
  });
});
