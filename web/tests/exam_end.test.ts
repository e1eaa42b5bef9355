import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { closeAll, page, takingPart } from "./exam_page";
import { ok, refused, server } from "./fake";
import { session } from "./fixtures";

vi.mock("socket.io-client", () => import("./fake"));

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  vi.stubGlobal("BroadcastChannel", undefined);
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

describe("close", () => {
  it("ends everything that goes on by itself", async () => {
    const { client } = await takingPart();
    client.close();
    await minutes(10);
    expect([client.connection, server.socket.connected]).toEqual(["closed", false]);
    expect(server.connections).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("before the first answer lets start fail", async () => {
    server.on("start", () => undefined);
    const { client, starting } = page();
    await vi.advanceTimersByTimeAsync(0);
    client.close();
    await expect(starting).rejects.toMatchObject({ code: "offline" });
  });

  it("while it waits for its next attempt leaves nothing that connects later", async () => {
    server.on("start", () => refused("unavailable"));
    const { client } = page();
    await vi.advanceTimersByTimeAsync(0);
    client.close();
    await minutes(1);
    expect(server.connections).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("at once after start leaves nothing that connects later", async () => {
    const { client } = page();
    client.close();
    await minutes(1);
    expect(server.connections).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("end", () => {
  it("first sends all that was reported, then submits", async () => {
    const { client } = await takingPart();
    server.on("end", () => ok({ session: session({ rev: 9, status: "SUBMITTED" }) }));
    void client.chat("I am done.");
    const ended = client.end();
    await vi.advanceTimersByTimeAsync(0);
    expect((await ended).status).toBe("SUBMITTED");
    expect(server.received.map(({ event }) => event)).toEqual(["start", "replay", "end"]);
    expect(client.session?.status).toBe("SUBMITTED");
  });

  it("is refused while something has not reached the server", async () => {
    const { client } = await takingPart();
    server.on("replay", () => refused("unavailable"));
    await client.chat("I am done.");
    await expect(client.end()).rejects.toMatchObject({ code: "offline" });
    expect(server.of("end")).toEqual([]);
  });

  it("is refused without a connection, and before start", async () => {
    const { client } = await takingPart();
    server.socket.drop();
    await expect(client.end()).rejects.toMatchObject({ code: "offline" });
    await expect(page().client.end()).rejects.toMatchObject({ code: "conflict" });
  });
});
