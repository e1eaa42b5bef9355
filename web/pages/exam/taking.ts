/** Taking part in one exam: what the client library tells, as the page shows it. */

import { computed, signal } from "@preact/signals";
import {
  connect,
  isOver,
  type Command,
  type ConnectionState,
  type Exam,
  type ExamClient,
  type ProctoringError,
  type ProctoringSession,
} from "@client/index";
import { socketUrl } from "@shared/api";
import { HandingIn } from "./handing";
import { Memory, type Reason } from "./kept";
import { OBSERVED } from "./observed";
import { Talk } from "./talk";
import { noticeOf } from "./words";

export interface Notice {
  id: string;
  text: string;
}

const SETTLES_MS = 1500;

/** The status that a command leads to, where it has a reason that is shown with it. */
const LEADS_TO: Partial<Record<Command["action"], Reason["of"]>> = {
  deny: "DENIED",
  terminate: "TERMINATED",
  pause: "PAUSED",
  reinstate: "PAUSED",
};

export class Taking {
  readonly session = signal<ProctoringSession | undefined>(undefined);
  readonly exam = signal<Exam | undefined>(undefined);
  readonly connection = signal<{ state: ConnectionState; error?: ProctoringError }>({ state: "connecting" });
  /** Milliseconds left by the server's clock. */
  readonly left = signal<number | null>(null);
  /** How many reports are not acknowledged yet. */
  readonly pending = signal(0);
  /** The same as it is shown: what goes through at once is not worth a word. */
  readonly waiting = signal(0);
  readonly notices = signal<Notice[]>([]);
  /** Commands that the student has to read: warnings, and the one that ended the exam. */
  readonly unread = signal<Command[]>([]);
  private readonly given = signal<Reason | null>(null);
  /** Why the exam is paused, or was ended, where that is known. */
  readonly reason = computed(() =>
    this.given.value?.of === this.session.value?.status ? this.given.value?.text : null,
  );
  /** The hand as the student wants it, until the server has it so. */
  private readonly wish = signal<boolean | null>(null);
  readonly handUp = computed(() => this.wish.value ?? Boolean(this.session.value?.hand));
  /** The student has raised or lowered the hand, and the proctors cannot see it yet. */
  readonly handWaits = computed(() => this.wish.value !== null && this.connection.value.state !== "online");
  readonly over = computed(() => this.session.value !== undefined && isOver(this.session.value.status));
  readonly stopped = computed(() => ["refused", "replaced"].includes(this.connection.value.state));

  readonly talk: Talk;
  readonly handingIn: HandingIn;
  private readonly client: ExamClient;
  private readonly memory: Memory;
  private skew = 0;
  private settling: ReturnType<typeof setTimeout> | undefined;

  constructor(userId: string, token: string, examId: string) {
    const client = (this.client = connect({ url: socketUrl(), token, observe: OBSERVED }));
    const memory = (this.memory = new Memory(userId, examId));
    this.given.value = memory.get().reason;
    this.listen(client);
    this.talk = new Talk(client, memory, () => Date.now() + this.skew);
    this.handingIn = new HandingIn(client, memory);
    client.start(examId).then(
      ({ serverTime }) => (this.skew = Date.parse(serverTime) - Date.now()),
      () => undefined, // told by `connection`, too
    );
  }

  /** Whether what is reported outlives a reload. */
  get durable(): boolean {
    return this.client.durable;
  }

  async raiseHand(up: boolean): Promise<void> {
    this.wish.value = up;
    try {
      await (up ? this.client.raiseHand() : this.client.lowerHand());
    } catch (error) {
      this.wish.value = null;
      throw error;
    }
  }

  read(command: Command): void {
    this.unread.value = this.unread.value.filter((one) => one !== command);
  }

  dismiss(notice: Notice): void {
    this.notices.value = this.notices.value.filter((one) => one !== notice);
  }

  close(): void {
    clearTimeout(this.settling);
    this.handingIn.close();
    this.client.close();
  }

  private listen(client: ExamClient): void {
    client.on("connection", (state, error) => {
      this.connection.value = error ? { state, error } : { state };
      this.settle();
    });
    client.on("session", (session) => {
      this.exam.value = client.exam;
      this.session.value = session;
      if (this.wish.value === Boolean(session.hand)) this.wish.value = null;
    });
    client.on("time", (ms) => (this.left.value = ms));
    client.on("pending", (count) => {
      this.pending.value = count;
      if (count === 0) this.wish.value = null;
      this.settle();
    });
    client.on("command", (command) => this.obey(command));
  }

  private obey(command: Command): void {
    const { action, reason } = command;
    if (action === "warn" || action === "deny" || action === "terminate")
      this.unread.value = [...this.unread.value, command];
    const of = LEADS_TO[action];
    if (of) {
      this.given.value = reason ? { of, text: reason } : null;
      this.memory.set({ reason: this.given.value });
    }
    const text = noticeOf(command);
    if (text) this.notices.value = [...this.notices.value, { id: command.id, text }];
  }

  private settle(): void {
    clearTimeout(this.settling);
    const show = () => (this.waiting.value = this.pending.value);
    if (this.pending.value && this.connection.value.state === "online") this.settling = setTimeout(show, SETTLES_MS);
    else show();
  }
}
