/**
 * The import that is under way, or the last one's result. It is kept beside the pages, as its passwords are answered
 * once: going to another page and back must not lose them.
 */

import { effect, signal } from "@preact/signals";
import { ProctoringError } from "@client/errors";
import { saying, type Api, type User } from "@shared/api";
import type { Person } from "./listing";
import { refusalOf, type LineError } from "./refusals";

const PIECE = 100;
const MOST_IN_VAIN = 5;
const PAUSE_MS = 1000;

export interface Made {
  line: number;
  user: User;
  /** Null where the list gave one. */
  password: string | null;
}

export interface Refused {
  person: Person;
  reason: string;
}

export interface Progress {
  total: number;
  made: Made[];
  refused: Refused[];
  running: boolean;
  /** Whether passwords were made that nobody has a copy of. */
  unsaved: boolean;
}

type Line = { line: number } & ({ user: User; password: string | null } | { error: LineError });

export class Import {
  readonly progress;
  private stopped = "";

  constructor(
    private readonly api: Pick<Api, "post">,
    readonly ownerId: string,
    private readonly people: Person[],
    private readonly pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms)),
  ) {
    const progress: Progress = { total: people.length, made: [], refused: [], running: true, unsaved: false };
    this.progress = signal(progress);
  }

  async run(): Promise<void> {
    for (let at = 0; at < this.people.length; at += PIECE) await this.send(this.people.slice(at, at + PIECE));
    this.change({ running: false });
  }

  stop(): void {
    this.stopped = "The import was stopped before this line was sent.";
  }

  downloaded(): void {
    this.change({ unsaved: false });
  }

  /** Send a piece until each of its lines was made or refused, or nothing comes of it any more. */
  private async send(piece: Person[]): Promise<void> {
    let left = piece;
    const unsure = new Set<Person>();
    for (let inVain = 0; left.length;) {
      const again = this.stopped ? this.refuse(left, this.stopped) : await this.ask(left, unsure);
      inVain = again.length < left.length ? 0 : inVain + 1;
      left = inVain < MOST_IN_VAIN ? again : this.refuse(again, "The server had no time for it. Import it once more.");
      if (left.length) await this.pause(PAUSE_MS * 2 ** inVain);
    }
  }

  /** Those that are to be sent again. `unsure`: those that may have been made, as an answer was lost. */
  private async ask(piece: Person[], unsure: Set<Person>): Promise<Person[]> {
    let lines: Line[];
    try {
      const body = piece.map(({ line: _, ...person }) => person);
      ({ lines } = await this.api.post<{ lines: Line[] }>("/routes/users/import", body));
    } catch (error) {
      if (error instanceof ProctoringError && error.passing) {
        for (const person of piece) unsure.add(person);
        return piece;
      }
      if (error instanceof ProctoringError && FINAL.has(error.code)) this.stopped = saying(error);
      return this.refuse(piece, saying(error));
    }
    const made: Made[] = [];
    const refused: Refused[] = [];
    const again = new Set(piece);
    for (const answer of lines) {
      const person = piece[answer.line - 1];
      if (!person || ("error" in answer && answer.error.code === "unavailable")) continue;
      again.delete(person);
      if ("user" in answer) made.push({ line: person.line, user: answer.user, password: answer.password });
      else refused.push({ person, reason: refusalOf(inTheList(answer.error, piece), unsure.has(person)) });
    }
    this.add(made, refused);
    return [...again];
  }

  private refuse(people: Person[], reason: string): Person[] {
    this.add(
      [],
      people.map((person) => ({ person, reason })),
    );
    return [];
  }

  private add(made: Made[], refused: Refused[]): void {
    const now = this.progress.value;
    this.change({
      made: [...now.made, ...made].sort((a, b) => a.line - b.line),
      refused: [...now.refused, ...refused].sort((a, b) => a.person.line - b.person.line),
      unsaved: now.unsaved || made.some(({ password }) => password !== null),
    });
  }

  private change(some: Partial<Progress>): void {
    this.progress.value = { ...this.progress.value, ...some };
  }
}

/** The server counts the lines of what it was sent; here a line is the list's. */
function inTheList(error: LineError, piece: Person[]): LineError {
  const message = error.message.replace(/^Line (\d+) /, (said, number: string) => {
    const { line } = piece[Number(number) - 1] ?? {};
    return line ? `Line ${line} ` : said;
  });
  return { ...error, message };
}

/** After these nothing else would be answered otherwise. */
const FINAL = new Set(["unauthorized", "forbidden", "not_found", "method_not_allowed"]);

export const currentImport = signal<Import | null>(null);

/** Nobody sees the passwords that another has made in this tab. */
export function forgetOthers(userId: string): void {
  if (currentImport.peek() && currentImport.peek()?.ownerId !== userId) currentImport.value = null;
}

const ask = (event: BeforeUnloadEvent) => event.preventDefault();

effect(() => {
  const now = currentImport.value?.progress.value;
  if (now?.running || now?.unsaved) addEventListener("beforeunload", ask);
  else removeEventListener("beforeunload", ask);
});
