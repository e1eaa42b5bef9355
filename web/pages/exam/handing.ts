/** Handing in: at once where that can be, else as soon as the connection is back, until it is done or taken back. */

import { signal } from "@preact/signals";
import { isOver, ProctoringError, type ExamClient } from "@client/index";
import type { Memory } from "./kept";

const AGAIN_MS = 5000;

export class HandingIn {
  /** It is wanted and not done yet. */
  readonly waiting = signal(false);
  /** Why the server refused it. */
  readonly problem = signal<unknown>(null);
  private under: Promise<void> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly client: ExamClient,
    private readonly memory: Memory,
  ) {
    this.waiting.value = memory.get().handingIn;
    client.on("connection", (state) => {
      if (state === "online") void this.attempt();
    });
    client.on("session", ({ status }) => {
      if (isOver(status)) this.takeBack();
    });
  }

  /** Resolved when it is done, or has to wait. */
  async want(): Promise<void> {
    this.problem.value = null;
    this.wait(true);
    await this.attempt();
  }

  /** No longer wanted; what is on its way arrives all the same. */
  takeBack(): void {
    if (this.waiting.value) this.wait(false);
  }

  close(): void {
    clearTimeout(this.timer);
  }

  private attempt(): Promise<void> {
    this.under ??= this.end().finally(() => (this.under = undefined));
    return this.under;
  }

  private async end(): Promise<void> {
    clearTimeout(this.timer);
    if (!this.waiting.value) return;
    try {
      await this.client.end();
    } catch (error) {
      if (error instanceof ProctoringError && error.passing) {
        // The connection may be up again without having been told down: the database, or one answer, was late.
        this.timer = setTimeout(() => void this.attempt(), Math.max(AGAIN_MS, error.retryAfterMs ?? 0));
        return;
      }
      this.problem.value = error;
      this.wait(false);
    }
  }

  private wait(waiting: boolean): void {
    this.waiting.value = waiting;
    this.memory.set({ handingIn: waiting });
  }
}
