import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Joined } from "../client/protocol";
import { atDesk, offsetsOf, closeAll, type Desk } from "./desk";
import { ok, refused, server } from "./fake";
import { activities, activity, EXAM, exam, joined, session, SESSION } from "./fixtures";

vi.mock("socket.io-client", () => import("./fake"));

const COUNTS = { info: 0, low: 0, medium: 0, high: 0, critical: 0 };

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  server.reset();
});
afterEach(() => {
  closeAll();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

async function watching(answer: Partial<Joined> = {}): Promise<Desk> {
  server.on("join", () => ok(joined(answer)));
  const desk = atDesk();
  await vi.advanceTimersByTimeAsync(0);
  await desk.joining;
  return desk;
}

function push(...offsets: number[]): void {
  server.socket.push("activity", { examId: EXAM, items: activities(...offsets) });
}

describe("join", () => {
  it("gives the exam, its sessions and the latest activity", async () => {
    const desk = await watching({
      offset: 7,
      activity: activities(6, 7),
      sessions: [session({ counts: { ...COUNTS, medium: 7 } })],
    });
    expect(server.socket.url).toBe("https://proctoring.example/proctor");
    expect(server.of("join")).toEqual([{ examId: EXAM }]);
    expect([desk.client.exam, desk.client.offset]).toEqual([exam(), 7]);
    expect(desk.client.sessions.get(SESSION)?.counts).toEqual({ ...COUNTS, medium: 7 });
    expect(desk.activity).toEqual([["latest", [6, 7]]]);
    expect(desk.caughtUp).toEqual([[2, 7]]);
    expect(desk.states).toEqual(["online"]);
  });

  it("fails where it is refused, and stays away", async () => {
    server.on("join", () => refused("not_found"));
    const desk = atDesk();
    await vi.advanceTimersByTimeAsync(60_000);
    await expect(desk.joining).rejects.toMatchObject({ code: "not_found" });
    expect(desk.states).toEqual(["refused"]);
    expect(server.connections).toHaveLength(1);
  });

  it("is asked again where that passes", async () => {
    server.on("join", () => refused("unavailable"));
    const desk = atDesk();
    await vi.advanceTimersByTimeAsync(0);
    server.on("join", () => ok(joined()));
    await vi.advanceTimersByTimeAsync(5000);
    await desk.joining;
    expect(desk.client.connection).toBe("online");
  });

  it("is refused of a console that has joined", async () => {
    const { client } = await watching();
    expect(() => client.join(EXAM)).toThrowError(expect.objectContaining({ code: "conflict" }));
  });

  it("fails where the console is closed before the answer", async () => {
    server.on("join", () => undefined);
    const desk = atDesk();
    await vi.advanceTimersByTimeAsync(0);
    desk.client.close();
    await expect(desk.joining).rejects.toMatchObject({ code: "offline" });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("what is pushed", () => {
  it("continues where the join ended", async () => {
    const desk = await watching({ offset: 7 });
    push(8);
    push(9, 10);
    expect(desk.activity).toEqual([
      ["live", [8]],
      ["live", [9, 10]],
    ]);
    expect(desk.client.offset).toBe(10);
  });

  it("is not given again where it comes again", async () => {
    const desk = await watching({ offset: 7 });
    push(8, 9);
    push(8, 9);
    push(9, 10);
    expect(desk.activity).toEqual([
      ["live", [8, 9]],
      ["live", [10]],
    ]);
  });

  it("right after the answer to the join, before anything else, is neither lost nor before it", async () => {
    server.on("join", () => ok(joined({ offset: 2, activity: activities(1, 2) })));
    server.afterAck.push(() => push(3, 4));
    const desk = atDesk();
    await vi.advanceTimersByTimeAsync(0);
    expect(desk.activity).toEqual([
      ["latest", [1, 2]],
      ["live", [3, 4]],
    ]);
    expect(desk.caughtUp).toEqual([[2, 2]]);
  });
});

describe("a gap in what is pushed", () => {
  it("makes the console join again; what comes meanwhile is neither lost nor repeated", async () => {
    const desk = await watching({ offset: 7 });
    server.on("join", async () => {
      push(11);
      return ok(joined({ offset: 11, activity: activities(8, 9, 10, 11) }));
    });
    server.afterAck.push(() => push(12));
    push(10);
    await vi.advanceTimersByTimeAsync(0);
    expect(server.of("join")).toEqual([{ examId: EXAM }, { examId: EXAM, since: 7, epoch: "first" }]);
    expect(desk.activity).toEqual([
      ["missed", [8, 9, 10, 11]],
      ["live", [12]],
    ]);
    expect(desk.caughtUp[1]).toEqual([4, 11]);
    expect(desk.client.offset).toBe(12);
  });

  it("is closed also where the join is refused at first", async () => {
    const desk = await watching({ offset: 7 });
    server.on("join", () =>
      server.of("join").length < 3 ? refused("rate_limited") : ok(joined({ offset: 9, activity: activities(8, 9) })),
    );
    push(9);
    await vi.advanceTimersByTimeAsync(5000);
    expect(offsetsOf(desk)).toEqual([8, 9]);
    push(10);
    expect(offsetsOf(desk)).toEqual([8, 9, 10]);
  });
});

describe("a connection that breaks", () => {
  it("is made again, and what was missed is given, as many joins as that takes", async () => {
    const desk = await watching({ offset: 7 });
    const pages = [
      joined({ offset: 10, activity: activities(8, 9, 10), truncated: true }),
      joined({ offset: 13, activity: activities(11, 12, 13), truncated: true }),
      joined({ offset: 14, activity: [activity(14)] }),
    ];
    server.on("join", ({ since }) => ok(pages[[7, 10, 13].indexOf(Number(since))]!));
    server.socket.drop();
    await vi.advanceTimersByTimeAsync(1000);
    push(15);
    expect(server.of("join").map(({ since }) => since)).toEqual([undefined, 7, 10, 13]);
    expect(offsetsOf(desk)).toEqual([8, 9, 10, 11, 12, 13, 14, 15]);
    expect(desk.activity.map(([arrival]) => arrival)).toEqual(["missed", "missed", "missed", "live"]);
    expect(desk.caughtUp).toEqual([
      [0, 7],
      [7, 14],
    ]);
    expect(desk.states).toEqual(["online", "offline", "connecting", "online"]);
  });

  it("in the middle of a join loses nothing", async () => {
    const desk = await watching({ offset: 7 });
    server.on("join", (_, socket) => void setTimeout(() => socket.drop(), 100) as undefined);
    push(9);
    await vi.advanceTimersByTimeAsync(200);
    server.on("join", ({ since }) =>
      ok(joined({ offset: 9, activity: [8, 9].filter((at) => at > Number(since)).map((at) => activity(at)) })),
    );
    await vi.advanceTimersByTimeAsync(2000);
    push(10);
    expect(offsetsOf(desk)).toEqual([8, 9, 10]);
  });

  it("again while it catches up, is told of as one: all that was missed", async () => {
    const desk = await watching({ offset: 7 });
    server.on("join", ({ since }, socket) => {
      if (since === 7) return ok(joined({ offset: 10, activity: activities(8, 9, 10), truncated: true }));
      socket.drop();
      return undefined;
    });
    server.socket.drop();
    await vi.advanceTimersByTimeAsync(500);
    server.on("join", () => ok(joined({ offset: 11, activity: [activity(11)] })));
    await vi.advanceTimersByTimeAsync(2000);
    expect(offsetsOf(desk)).toEqual([8, 9, 10, 11]);
    expect(desk.caughtUp[1]).toEqual([4, 11]);
  });

  it("is found dead where it does not answer, and made anew", async () => {
    const desk = await watching();
    const dead = server.socket.id;
    server.on("probe", (_, socket) => (socket.id === dead ? undefined : refused("unknown_event")));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(desk.states).toEqual(["online", "offline", "connecting", "online"]);
  });

  it("is left alone where it answers that there is no such event", async () => {
    const desk = await watching();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(desk.states).toEqual(["online"]);
  });
});

describe("another log than before", () => {
  it("makes all that was known void", async () => {
    const desk = await watching({
      offset: 50,
      activity: [activity(50)],
      sessions: [session({ rev: 9, counts: { ...COUNTS, high: 3 } })],
    });
    const other = session({ id: "65f1c0ffee0123456789abff", rev: 1, counts: { ...COUNTS, low: 1 } });
    server.on("join", () =>
      ok(joined({ reset: true, epoch: "second", offset: 2, activity: activities(1, 2), sessions: [other] })),
    );
    server.socket.drop();
    await vi.advanceTimersByTimeAsync(1000);
    expect(desk.resets).toBe(1);
    expect([...desk.client.sessions.keys()]).toEqual([other.id]);
    server.socket.push("presence", { examId: EXAM, items: [session()] });
    expect(desk.client.sessions.get(SESSION)?.counts).toEqual(COUNTS);
    expect(desk.client.sessions.get(other.id)?.counts).toEqual({ ...COUNTS, low: 1 });
    expect(desk.activity).toEqual([
      ["latest", [50]],
      ["latest", [1, 2]],
    ]);
    expect(desk.caughtUp).toEqual([
      [1, 50],
      [2, 2],
    ]);
    push(3);
    server.on("join", () => ok(joined({ epoch: "second", offset: 3 })));
    server.socket.drop();
    await vi.advanceTimersByTimeAsync(1000);
    expect(server.of("join")[2]).toEqual({ examId: EXAM, since: 3, epoch: "second" });
  });
});
