/** What the server, or the way to it, refused. */

import type { EventError } from "./protocol";

/** The contract's codes, and `offline`: nothing was asked, or no answer came. */
export type ErrorCode = "offline" | (string & {});

export class ProctoringError extends Error {
  override readonly name = "ProctoringError";

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: { loc: (string | number)[]; msg: string }[] = [],
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }

  static of(error: EventError): ProctoringError {
    return new ProctoringError(error.code, error.message, error.details ?? [], error.retryAfterMs);
  }

  /** Whether the same may succeed later, without anything being changed. */
  get passing(): boolean {
    return PASSING.has(this.code);
  }
}

const PASSING = new Set(["offline", "unavailable", "rate_limited", "internal"]);
