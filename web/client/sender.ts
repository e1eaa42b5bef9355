/**
 * Brings what is in the outbox to the server, in order, whenever there is a connection.
 *
 * Everything goes by `replay`: a single event costs the same, a hundred that waited cost one message, and whatever of it
 * the server had already is told by its number. Only what is acknowledged, or will never be taken, leaves the outbox.
 */

import { ProctoringError } from "./errors";
import type { Kept, Outbox } from "./outbox";
import type { Replay, Replayed } from "./protocol";

const MOST = 500;
const MOST_BYTES = 200_000; // of 256 KiB that a frame may have
const FIRST_AGAIN_MS = 1000;
const LATEST_AGAIN_MS = 15_000;

export interface SenderEvents {
  /** How many are not acknowledged yet. */
  pending: (count: number) => void;
  /** An event that the server will never take; it is in no log. */
  rejected: (event: Kept, error: ProctoringError) => void;
}

export class Sender {
  private under: Promise<void> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;
  private closed = false;
  private wanted = false;

  constructor(
    private readonly outbox: Outbox,
    private readonly ready: () => boolean,
    private readonly replay: (payload: Replay) => Promise<Replayed>,
    private readonly tell: <Event extends keyof SenderEvents>(
      event: Event,
      ...what: Parameters<SenderEvents[Event]>
    ) => void,
  ) {}

  /** Keep an event and send it as soon as that can be; resolved once it is kept. */
  async add(event: string, payload: Record<string, unknown>): Promise<number> {
    const seq = await this.outbox.add(event, payload);
    this.tell("pending", await this.outbox.count());
    if (this.timer === undefined) void this.send(); // else it goes with what is sent again then
    return seq;
  }

  /** Send what waits. Resolved when all of it is acknowledged, or nothing more can be done for now. */
  send(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.wanted = true;
    this.under ??= this.run();
    return this.under;
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  private async run(): Promise<void> {
    try {
      while (this.wanted) {
        this.wanted = false; // it is again, where something is added after the last look
        await this.rounds();
      }
    } catch {
      this.later(); // the outbox itself cannot be read
    } finally {
      this.under = undefined;
    }
  }

  private async rounds(): Promise<void> {
    while (this.ready() && !this.closed) {
      const waiting = fitting(await this.outbox.oldest(MOST));
      if (!waiting.length) return;
      let passing: ProctoringError | undefined;
      try {
        passing = await this.round(waiting);
      } catch (error) {
        passing = error instanceof ProctoringError ? error : new ProctoringError("internal", String(error));
      }
      if (this.closed) return;
      this.tell("pending", await this.outbox.count());
      if (!passing) {
        this.failures = 0;
        continue;
      }
      this.later(passing.retryAfterMs);
      return;
    }
  }

  private later(atLeastMs = 0): void {
    if (this.closed) return;
    const wait = Math.min(FIRST_AGAIN_MS * 2 ** this.failures++, LATEST_AGAIN_MS) * (0.5 + Math.random());
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.send(), Math.max(wait, atLeastMs));
  }

  /** Gives why some of it has to be sent again, if it has. */
  private async round(waiting: Kept[]): Promise<ProctoringError | undefined> {
    const items = waiting.map(({ event, payload, seq }) => ({ event, payload: { ...payload, seq } }));
    const errors = await this.replay({ items }).then(
      ({ rejected }) => new Map(rejected.map(({ seq, error }) => [seq, ProctoringError.of(error)])),
      (error: unknown) => {
        // The session has been over for too long: none of it will ever be taken.
        if (!(error instanceof ProctoringError) || error.code !== "conflict") throw error;
        return new Map(waiting.map(({ seq }) => [seq as number | null, error]));
      },
    );
    const done = waiting.filter(({ seq }) => !errors.get(seq)?.passing);
    await this.outbox.drop(done.map(({ seq }) => seq));
    for (const kept of done) {
      const error = errors.get(kept.seq);
      if (error) this.tell("rejected", kept, error);
    }
    return [...errors.values()].find((error) => error.passing);
  }
}

/** As many of the first as fit into one message, at least one. */
function fitting(kept: Kept[]): Kept[] {
  let bytes = 0;
  const size = (one: Kept) => new TextEncoder().encode(JSON.stringify(one.payload)).length + 100;
  const past = kept.findIndex((one) => (bytes += size(one)) > MOST_BYTES);
  return past > 0 ? kept.slice(0, past) : kept.slice(0, past === 0 ? 1 : kept.length);
}
