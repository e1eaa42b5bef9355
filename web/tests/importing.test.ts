/** Importing many accounts: nothing is lost, and nothing is asked for ever. */

import { expect, test } from "vitest";
import { ProctoringError } from "../client/errors";
import type { Api } from "../pages/shared/api";
import { currentImport, forgetOthers, Import } from "../pages/console/manage/importing";
import type { Person } from "../pages/console/manage/listing";

type Answer = (email: string, time: number) => string | { code: string; message: string };

/** A server that answers each line by its e-mail address, and how often it was asked: a password or an error. */
class Server {
  asked: string[][] = [];
  pauses: number[] = [];
  failing: (ProctoringError | "lost")[] = [];
  private times = new Map<string, number>();

  constructor(private readonly answer: Answer = () => "made") {}

  async post<T>(path: string, body?: unknown): Promise<T> {
    expect(path).toBe("/routes/users/import");
    const people = body as Omit<Person, "line">[];
    this.asked.push(people.map(({ email }) => email));
    const failure = this.failing.shift();
    if (failure instanceof ProctoringError) throw failure;
    const lines = people.map(({ name, email }, at) => {
      const time = (this.times.get(email) ?? 0) + 1;
      this.times.set(email, time);
      const one = this.answer(email, time);
      if (typeof one !== "string") return { line: at + 1, error: one };
      const user = { id: email, name, email, role: "STUDENT", organisationId: "o" };
      return { line: at + 1, user, password: one };
    });
    if (failure === "lost") throw new ProctoringError("offline", "No answer.");
    return { lines } as T;
  }

  start(people: Person[]): Import {
    return new Import(this as Pick<Api, "post">, "me", people, async (ms) => void this.pauses.push(ms));
  }
}

const BUSY = { code: "unavailable", message: "Too many." };
const TAKEN = { code: "conflict", message: "This e-mail address is taken." };

function people(number: number): Person[] {
  return Array.from({ length: number }, (_, at) => ({ line: at + 2, name: `N${at}`, email: `n${at}@x.example` }));
}

test("goes in pieces of a hundred, in order, and tells the line of the list", async () => {
  const server = new Server((email) => (email === "n120@x.example" ? TAKEN : `secret ${email}`));
  const one = server.start(people(250));
  await one.run();
  expect(server.asked.map((emails) => emails.length)).toEqual([100, 100, 50]);
  const { made, refused, running, unsaved } = one.progress.value;
  expect(made).toHaveLength(249);
  expect(made[0]).toMatchObject({ line: 2, password: "secret n0@x.example" });
  expect(refused).toMatchObject([{ person: { line: 122 }, reason: "This e-mail address is taken." }]);
  expect([running, unsaved]).toEqual([false, true]);
});

test("sends again only the lines that the server had no time for", async () => {
  const server = new Server((email, time) => (email !== "n0@x.example" && time === 1 ? BUSY : "made"));
  const one = server.start(people(3));
  await one.run();
  expect(server.asked.map((emails) => emails.length)).toEqual([3, 2]);
  expect(one.progress.value.made.map(({ line }) => line)).toEqual([2, 3, 4]);
  expect(server.pauses).toEqual([1000]);
});

test("gives up a line after five times in vain, with longer pauses, and goes on with the others", async () => {
  const server = new Server((email) => (email === "n1@x.example" ? BUSY : "made"));
  const one = server.start(people(102));
  await one.run();
  expect(server.asked.map((emails) => emails.length)).toEqual([100, 1, 1, 1, 1, 1, 2]);
  expect(server.pauses).toEqual([1000, 2000, 4000, 8000, 16000]);
  expect(one.progress.value.made).toHaveLength(101);
  expect(one.progress.value.refused.map(({ person }) => person.line)).toEqual([3]);
});

test("a line whose answer was lost may have been made: that is said where its address is taken then", async () => {
  const server = new Server((_, time) => (time === 1 ? "made" : TAKEN));
  server.failing = ["lost"];
  const one = server.start(people(1));
  await one.run();
  expect(server.asked).toHaveLength(2);
  expect(one.progress.value.refused[0]?.reason).toContain("may be the one that was just made");
});

test("what the server refuses as a whole is each line's reason, and a lost sign-in ends the import", async () => {
  const server = new Server();
  server.failing = [
    new ProctoringError("payload_too_large", "Too large."),
    new ProctoringError("unauthorized", "Over."),
  ];
  const one = server.start(people(300));
  await one.run();
  expect(server.asked).toHaveLength(2);
  const reasons = one.progress.value.refused.map(({ reason }) => reason);
  expect(reasons).toHaveLength(300);
  expect([reasons[0], reasons[100], reasons[299]]).toEqual(["Too large.", "Over.", "Over."]);
});

test("who stops it has every line accounted for", async () => {
  const server: Server = new Server(() => {
    one.stop();
    return "made";
  });
  const one = server.start(people(150));
  await one.run();
  expect(server.asked).toHaveLength(1);
  expect(one.progress.value.made).toHaveLength(100);
  expect(one.progress.value.refused).toHaveLength(50);
});

test("a wrong field is said in words", async () => {
  const details = [
    { loc: ["email"], msg: "String should match pattern" },
    { loc: ["role"], msg: "Input should be 'SALES'" },
  ];
  const server = new Server(() => ({ code: "invalid_payload", message: "The payload is not valid.", details }));
  const one = server.start(people(1));
  await one.run();
  expect(one.progress.value.refused[0]?.reason).toBe(
    "This is not an e-mail address. The role must be STUDENT, PROCTOR or ADMIN.",
  );
});

test("leaving the page asks first while there are passwords that were not downloaded", async () => {
  const leave = () => {
    const event = new Event("beforeunload", { cancelable: true });
    dispatchEvent(event);
    return event.defaultPrevented;
  };
  const one = new Server().start(people(1));
  currentImport.value = one;
  await one.run();
  expect(leave()).toBe(true);
  one.downloaded();
  expect(leave()).toBe(false);
});

test("another user of the same tab does not see the passwords", async () => {
  const one = new Server().start(people(1));
  currentImport.value = one;
  await one.run();
  forgetOthers("me");
  expect(currentImport.value).toBe(one);
  forgetOthers("somebody else");
  expect(currentImport.value).toBeNull();
});
