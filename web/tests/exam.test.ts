import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isOver } from "../client/exam";
import { BEAT, closeAll, page, reported, takingPart, URL } from "./exam_page";
import { ok, refused, server } from "./fake";
import { command, EXAM, said, session, started, TOKEN } from "./fixtures";
import { NOTHING, setHidden } from "./page";

vi.mock("socket.io-client", () => import("./fake"));

const NINE = Date.parse("2026-05-04T09:00:00.000Z");
const OFF = 3_600_000; // this browser's clock is an hour fast

beforeEach(() => {
  vi.useFakeTimers();
  vi.setSystemTime(NINE + OFF);
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  vi.stubGlobal("BroadcastChannel", undefined);
  server.reset();
});
afterEach(() => {
  closeAll();
  setHidden(false);
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("start", () => {
  it("asks the server of the page's choice and gives what it knows", async () => {
    const { client, starting, told } = await takingPart({ heartbeatIntervalMs: 7000 });
    expect((await starting).heartbeatIntervalMs).toBe(7000);
    expect(server.socket.url).toBe(`${URL}/exam`);
    expect(server.connections).toEqual([{ token: TOKEN, clientId: expect.stringMatching(/^[0-9a-f-]{36}$/) }]);
    expect(server.of("start")).toEqual([{ examId: EXAM, chatSince: 0 }]);
    expect(client.connection).toBe("online");
    expect([client.session?.status, client.exam?.title]).toEqual(["ACTIVE", "Algebra"]);
    expect(told).toContainEqual(["connection", "online", undefined]);
  });

  it("says of nothing that it has happened before", () => {
    const { client } = page();
    expect([client.connection, client.remainingMs(), client.durable]).toEqual(["closed", null, false]);
  });

  it("cannot be called twice, also not at once", async () => {
    server.on("start", () => ok(started()));
    const { client } = page();
    await expect(client.start(EXAM)).rejects.toMatchObject({ code: "conflict" });
  });

  it("numbers on from what the server has of this client", async () => {
    const { client } = await takingPart({ lastSeq: 41 });
    await client.report("copy");
    await vi.advanceTimersByTimeAsync(0);
    expect(reported()[0]?.payload["seq"]).toBe(42);
  });
});

describe("the session's time", () => {
  it("is told each second, by the server's clock", async () => {
    const { client, told } = await takingPart();
    told.length = 0;
    await vi.advanceTimersByTimeAsync(2000);
    expect(told.filter(([event]) => event === "time")).toEqual([
      ["time", 3_599_000, true],
      ["time", 3_598_000, true],
    ]);
    expect(client.remainingMs()).toBe(3_598_000);
  });

  it("stands still while the session is paused, goes on, and ends with it", async () => {
    const made = await takingPart();
    const { client, told } = made;
    server.on("heartbeat", () => refused("unavailable"));
    server.socket.push("session", session({ rev: 2, status: "PAUSED", remainingMs: 3_000_000, deadline: null }));
    await vi.advanceTimersByTimeAsync(3000);
    expect(told[told.length - 1]).toEqual(["time", 3_000_000, false]);
    server.socket.push("session", session({ rev: 3, remainingMs: 3_000_000 }));
    await vi.advanceTimersByTimeAsync(1000);
    expect(client.remainingMs()).toBe(2_999_000);
    expect((made.of("session") as { rev: number }[]).map(({ rev }) => rev)).toEqual([1, 2, 3]);
  });

  it("does not go back to an older copy of the session", async () => {
    const { client, told } = await takingPart({ session: session({ rev: 5, status: "PAUSED" }) });
    told.length = 0;
    server.socket.push("session", session({ rev: 4, status: "ACTIVE" }));
    expect(client.session?.status).toBe("PAUSED");
    expect(told).toEqual([]);
  });
});

it("tells which sessions are over", () => {
  const over = (["WAITING", "ACTIVE", "PAUSED", "SUBMITTED", "TIMED_OUT", "TERMINATED", "DENIED"] as const).filter(
    isOver,
  );
  expect(over).toEqual(["SUBMITTED", "TIMED_OUT", "TERMINATED", "DENIED"]);
});

describe("a command", () => {
  it("is shown once, however often it is sent, and acknowledged each time", async () => {
    const { told } = await takingPart();
    for (let time = 0; time < 3; time++) server.socket.push("command", command("c1"));
    server.socket.push("command", command("c2", "pause"));
    await vi.advanceTimersByTimeAsync(0);
    const shown = told.filter(([event]) => ["command", "warned", "paused"].includes(event));
    expect(shown.map(([event, what]) => [event, (what as { id: string }).id])).toEqual([
      ["command", "c1"],
      ["warned", "c1"],
      ["command", "c2"],
      ["paused", "c2"],
    ]);
    expect(server.of("command_ack")).toEqual(["c1", "c1", "c1", "c2"].map((commandId) => ({ commandId })));
  });

  it("is shown once also where its ack got lost and it comes again after a new start", async () => {
    const made = await takingPart();
    server.on("command_ack", () => refused("unavailable"));
    server.socket.push("command", command("c1"));
    server.socket.drop();
    await vi.advanceTimersByTimeAsync(1000);
    server.socket.push("command", command("c1"));
    await vi.advanceTimersByTimeAsync(0);
    expect(made.of("command")).toHaveLength(1);
    expect(server.of("command_ack")).toHaveLength(2);
  });
});

describe("what proctors write", () => {
  const offsets = (messages: unknown[]) => messages.map((one) => (one as { offset: number }).offset);

  it("is shown once each, what was missed while the connection was away too", async () => {
    const made = await takingPart({ chat: [said(3), said(8)] });
    server.socket.push("chat", said(11));
    server.on("start", ({ chatSince }) =>
      ok(started({ chat: [3, 8, 11, 15].filter((at) => at > Number(chatSince)).map((at) => said(at)) })),
    );
    server.socket.drop();
    await vi.advanceTimersByTimeAsync(1000);
    expect(server.of("start").map(({ chatSince }) => chatSince)).toEqual([0, 11]);
    server.socket.push("chat", said(15));
    server.socket.push("chat", said(16));
    expect(offsets(made.of("chat"))).toEqual([3, 8, 11, 15, 16]);
  });

  it("is shown in order where the next one is pushed before the answer to start", async () => {
    const made = await takingPart({ chat: [said(3)] });
    server.on("start", (_, socket) => {
      socket.push("chat", said(12));
      socket.push("chat", said(13));
      return ok(started({ chat: [said(10), said(11), said(12)] }));
    });
    server.socket.drop();
    await vi.advanceTimersByTimeAsync(1000);
    expect(offsets(made.of("chat"))).toEqual([3, 10, 11, 12, 13]);
  });
});

describe("heartbeats", () => {
  const beats = () => server.received.filter(({ event }) => event === "heartbeat").map(({ at }) => at - NINE - OFF);

  it("come as often as the server last said", async () => {
    server.on("heartbeat", () => ok({}));
    await takingPart({ heartbeatIntervalMs: 4000 });
    server.on("heartbeat", () =>
      ok({ ...BEAT, status: "ACTIVE", nextHeartbeatMs: beats().length < 3 ? 4000 : 10_000 }),
    );
    await vi.advanceTimersByTimeAsync(31_000);
    expect(beats()).toEqual([2000, 6000, 10_000, 20_000, 30_000]);
  });

  it("correct the clock", async () => {
    const { client } = await takingPart();
    server.on("heartbeat", () => ok({ ...BEAT, remainingMs: 1_000_000, status: "ACTIVE" }));
    await vi.advanceTimersByTimeAsync(2500);
    expect(client.remainingMs()).toBe(1_000_000);
  });

  it("stop when the session is over, and go on where it is reinstated", async () => {
    await takingPart();
    await vi.advanceTimersByTimeAsync(2500);
    server.socket.push("session", session({ rev: 2, status: "TERMINATED" }));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(beats()).toEqual([2500]);
    server.socket.push("session", session({ rev: 3, status: "PAUSED" }));
    await vi.advanceTimersByTimeAsync(5000);
    expect(beats()).toEqual([2500, 67_500]);
  });

  it("find out that a connection is dead, and make a new one", async () => {
    const { client } = await takingPart();
    server.on("heartbeat", () => undefined);
    await vi.advanceTimersByTimeAsync(2500 + 9999);
    expect(client.connection).toBe("online");
    await vi.advanceTimersByTimeAsync(1);
    expect(client.connection).toBe("offline");
    await vi.advanceTimersByTimeAsync(500);
    expect(client.connection).toBe("online");
  });
});

describe("what is observed", () => {
  it("is reported as long as the session runs", async () => {
    await takingPart({}, { observe: { ...NOTHING, visibility: true } });
    await vi.advanceTimersByTimeAsync(1000);
    setHidden(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(reported()).toEqual([
      {
        event: "activity",
        payload: {
          seq: 1,
          type: "tab_change",
          data: { hidden: true, durationMs: 1000 },
          occurredAt: "2026-05-04T09:00:01.000Z",
        },
      },
    ]);
    server.socket.push("session", session({ rev: 2, status: "TIMED_OUT" }));
    setHidden(false);
    await vi.advanceTimersByTimeAsync(5000);
    expect(reported()).toHaveLength(1);
  });

  it("is reported as of when it began, also by the page itself", async () => {
    const { client } = await takingPart();
    server.on("heartbeat", () => refused("unavailable"));
    await vi.advanceTimersByTimeAsync(5000);
    await client.report("devtools_suspected", {}, 3500);
    await vi.advanceTimersByTimeAsync(0);
    expect(reported()[0]?.payload["occurredAt"]).toBe("2026-05-04T09:00:01.500Z");
  });
});
