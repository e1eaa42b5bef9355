/** What was written between student and proctors. The server gives the proctors' part again, the tab keeps the rest. */

import { computed, signal } from "@preact/signals";
import type { ChatMessage, ExamClient } from "@client/index";
import type { Memory, Said } from "./kept";

/** `from`: null for the student. */
export interface Line {
  key: string;
  from: string | null;
  text: string;
  at: string | number;
  undelivered: boolean;
}

const REMEMBERED = 100;

export class Talk {
  /** How many messages came while they could not be seen. */
  readonly unread = signal(0);
  private readonly received = signal<ChatMessage[]>([]);
  private readonly said = signal<Said[]>([]);
  private seen = true;
  private caughtUp = false;

  /** In the order in which it was written. */
  readonly lines = computed<Line[]>(() =>
    [
      ...this.received.value.map((one) => ({ order: one.offset, line: received(one) })),
      ...this.said.value.map((one, index) => ({ order: one.after + 0.5, line: own(one, index) })),
    ]
      .sort((a, b) => a.order - b.order)
      .map(({ line }) => line),
  );

  constructor(
    private readonly client: ExamClient,
    private readonly memory: Memory,
    /** The server's time. */
    private readonly now: () => number,
  ) {
    this.said.value = memory.get().said;
    client.on("chat", (message) => {
      this.received.value = [...this.received.value, message];
      if (this.caughtUp && !this.seen) this.unread.value += 1;
    });
    client.on("connection", (state) => (this.caughtUp ||= state === "online"));
    client.on("rejected", ({ event, payload }) => {
      if (event === "chat") this.failed(String(payload["text"]));
    });
  }

  async say(text: string): Promise<void> {
    await this.client.chat(text);
    const after = this.received.value.at(-1)?.offset ?? 0;
    this.remember([...this.said.value, { text, at: this.now(), after }]);
  }

  /** Whether the messages are where the student sees them. */
  see(seen: boolean): void {
    this.seen = seen;
    if (seen) this.unread.value = 0;
  }

  private failed(text: string): void {
    const index = this.said.value.findLastIndex((one) => one.text === text);
    this.remember(this.said.value.map((one, at) => (at === index ? { ...one, undelivered: true } : one)));
  }

  private remember(said: Said[]): void {
    this.said.value = said.slice(-REMEMBERED);
    this.memory.set({ said: this.said.value });
  }
}

function received({ offset, from, text, at }: ChatMessage): Line {
  return { key: `received ${offset}`, from: from.name ?? "Proctor", text, at, undelivered: false };
}

function own({ text, at, undelivered = false }: Said, index: number): Line {
  return { key: `said ${index}`, from: null, text, at, undelivered };
}
