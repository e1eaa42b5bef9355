/** A proctor's desk under test: the console, and all that it told. */

import { watch, type ConsoleClient } from "../client/console";
import type { Command, ProctoringSession } from "../client/protocol";
import { EXAM, TOKEN } from "./fixtures";

const open: ConsoleClient[] = [];

export interface Desk {
  client: ConsoleClient;
  joining: Promise<void>;
  /** How each batch came, and its offsets. */
  activity: [arrival: string, offsets: number[]][];
  sessions: ProctoringSession[][];
  commands: Command[][];
  caughtUp: [missed: number, offset: number][];
  states: string[];
  resets: number;
}

export function atDesk(): Desk {
  const client = watch({ url: "https://proctoring.example", token: TOKEN });
  open.push(client);
  const joining = client.join(EXAM);
  joining.catch(() => undefined);
  const desk: Desk = { client, joining, activity: [], sessions: [], commands: [], caughtUp: [], states: [], resets: 0 };
  client.on("activity", (items, arrival) => desk.activity.push([arrival, items.map(({ offset }) => offset)]));
  client.on("sessions", (items) => desk.sessions.push(items));
  client.on("commands", (items) => desk.commands.push(items));
  client.on("caughtUp", (missed, offset) => desk.caughtUp.push([missed, offset]));
  client.on("connection", (state) => desk.states.push(state));
  client.on("reset", () => (desk.resets += 1));
  return desk;
}

export function offsetsOf(desk: Desk): number[] {
  return desk.activity.flatMap(([, offsets]) => offsets);
}

export function closeAll(): void {
  for (const client of open.splice(0)) client.close();
}
