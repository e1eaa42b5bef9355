/** Who is to be assigned to an exam, before it is saved. */

import type { User } from "@shared/api";
import { addressesIn } from "./people";

/** Who was ticked (true) or unticked (false) since the last saving. */
export type Wishes = ReadonlyMap<string, boolean>;

export function wishing(wishes: Wishes, people: User[], wanted: boolean): Wishes {
  return new Map([...wishes, ...people.map(({ id }) => [id, wanted] as const)]);
}

/** Who will be assigned once the wishes are saved, and what they change. */
export function outcome(people: User[], assigned: ReadonlySet<string>, wishes: Wishes) {
  const ids = people.map(({ id }) => id);
  const chosen = new Set(ids.filter((id) => wishes.get(id) ?? assigned.has(id)));
  return {
    chosen,
    added: ids.filter((id) => chosen.has(id) && !assigned.has(id)),
    removed: ids.filter((id) => !chosen.has(id) && assigned.has(id)),
  };
}

export interface Pasted {
  found: User[];
  /** Accounts that are neither a student's nor a proctor's. */
  others: User[];
  unknown: string[];
}

/** Whose addresses these are. */
export function whose(text: string, people: User[]): Pasted {
  const byAddress = new Map(people.map((one) => [one.email.toLowerCase(), one]));
  const known: User[] = [];
  const unknown: string[] = [];
  for (const address of addressesIn(text)) {
    const one = byAddress.get(address.toLowerCase());
    if (one) known.push(one);
    else unknown.push(address);
  }
  return { found: known.filter(assignable), others: known.filter((one) => !assignable(one)), unknown };
}

export function assignable({ role }: User): boolean {
  return role === "STUDENT" || role === "PROCTOR";
}
