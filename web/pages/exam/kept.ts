/**
 * What this tab remembers of the exam that its student takes part in, so that a reload goes straight back in. It is
 * made by the student's consent, and gone with the tab.
 */

import type { ProctoringSession } from "@client/protocol";

export interface Said {
  text: string;
  /** The server's time, in milliseconds since 1970. */
  at: number;
  /** The offset of the last message from a proctor that was there before: so the two are put in order. */
  after: number;
  undelivered?: boolean;
}

/** Why a session has a status: commands say it, and only once. */
export interface Reason {
  of: ProctoringSession["status"];
  text: string;
}

interface Kept {
  examId: string;
  reason: Reason | null;
  /** The student wants to hand in, and could not yet. */
  handingIn: boolean;
  said: Said[];
}

const keyOf = (userId: string): string => `proctoring exam of ${userId}`;

/** The exam that the user has consented to in this tab. */
export function examOf(userId: string): string | null {
  return read(userId)?.examId ?? null;
}

export function forget(userId: string): void {
  sessionStorage.removeItem(keyOf(userId));
}

export class Memory {
  private kept: Kept;

  constructor(
    private readonly userId: string,
    examId: string,
  ) {
    const known = read(userId);
    this.kept = known?.examId === examId ? known : { examId, reason: null, handingIn: false, said: [] };
    this.set({});
  }

  get(): Readonly<Kept> {
    return this.kept;
  }

  set(changes: Partial<Omit<Kept, "examId">>): void {
    this.kept = { ...this.kept, ...changes };
    sessionStorage.setItem(keyOf(this.userId), JSON.stringify(this.kept));
  }
}

function read(userId: string): Kept | null {
  const kept = sessionStorage.getItem(keyOf(userId));
  return kept ? (JSON.parse(kept) as Kept) : null;
}
