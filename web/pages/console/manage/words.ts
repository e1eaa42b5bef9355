/** What the management's pages call things. */

import type { Exam } from "@client/protocol";
import type { Role } from "@shared/api";
import { day } from "@shared/time";

export const ROLES: Record<Role, string> = {
  SALES: "Sales",
  ADMIN: "Administrator",
  PROCTOR: "Proctor",
  STUDENT: "Student",
};

/** The roles that an administrator gives. */
export const GIVEN: Exclude<Role, "SALES">[] = ["STUDENT", "PROCTOR", "ADMIN"];

/** "1 student", "2,000 students" */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

/** The reader's time zone, by name. */
export function zone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export function openDuring({ startsAt, endsAt }: Exam): string {
  if (startsAt && endsAt) return `${day(startsAt)} to ${day(endsAt)}`;
  if (startsAt) return `From ${day(startsAt)}`;
  return endsAt ? `Until ${day(endsAt)}` : "At any time";
}
