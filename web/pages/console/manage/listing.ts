/** What a pasted or chosen list says of people. For the preview; whether it holds is the server's to say. */

import { ProctoringError } from "@client/errors";
import { parse, type Row } from "./csv";
import { SHORTEST } from "./making";
import { GIVEN } from "./words";

export interface Person {
  line: number;
  name: string;
  email: string;
  role?: string;
  password?: string;
}

export interface Listing {
  people: Person[];
  /** Columns that mean nothing here. */
  ignored: string[];
}

const COLUMNS = ["name", "email", "role", "password"] as const;
type Column = (typeof COLUMNS)[number];

/** The people of a text whose first line names its columns, in any order and case. */
export function peopleOf(text: string): Listing {
  const [header, ...rows] = parse(text);
  if (!header) return { people: [], ignored: [] };
  const named = header.cells.map((cell) => cell.trim().toLowerCase().replace(/[-\s]/g, ""));
  const places = Object.fromEntries(COLUMNS.map((column) => [column, named.indexOf(column)])) as Record<Column, number>;
  const missing = (["name", "email"] as const).filter((column) => places[column] < 0);
  if (missing.length) {
    const what = missing.map((column) => `“${column}”`).join(" and ");
    throw new ProctoringError(
      "invalid_payload",
      `The first line must name the columns; ${what} ${missing.length > 1 ? "are" : "is"} not among them.`,
    );
  }
  const known: readonly string[] = COLUMNS;
  return {
    people: rows.map((row) => personOf(row, places)),
    ignored: header.cells.filter((cell, at) => cell.trim() && !known.includes(named[at]!)),
  };
}

function personOf({ line, cells }: Row, places: Record<Column, number>): Person {
  const cell = (column: Column) => cells[places[column]] ?? "";
  const role = cell("role").trim().toUpperCase();
  const password = cell("password");
  return {
    line,
    name: cell("name").trim(),
    email: cell("email").trim(),
    ...(role && { role }),
    ...(password && { password }),
  };
}

/** Why the server will probably refuse people, by line. */
export function doubtsOf(people: Person[]): Map<number, string> {
  const seen = new Map<string, number>();
  const doubts = new Map<number, string>();
  for (const person of people) {
    const address = person.email.toLowerCase();
    const before = seen.get(address);
    const doubt = doubtOf(person) ?? (before ? `the same address as in line ${before}` : undefined);
    if (doubt) doubts.set(person.line, doubt);
    if (!before) seen.set(address, person.line);
  }
  return doubts;
}

function doubtOf({ name, email, role, password }: Person): string | undefined {
  if (!name) return "no name";
  if (!/^\S+@\S+$/.test(email)) return email ? "no e-mail address" : "the e-mail address is missing";
  if (role && !(GIVEN as string[]).includes(role)) return `no such role: ${role}`;
  if (password && password.length < SHORTEST) return `a password has at least ${SHORTEST} characters`;
  return undefined;
}
