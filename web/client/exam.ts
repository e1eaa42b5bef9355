/** The exam client: a student's page takes part in an exam, and nothing of it is lost. */

import { createNanoEvents } from "nanoevents";
import { ServerClock } from "./clock";
import { ProctoringError } from "./errors";
import { subjectOf, uuid } from "./ids";
import { Link, type ConnectionState, type LinkOptions } from "./link";
import { EVERYTHING, observe, type ClientActivity, type Observed } from "./observe";
import { openOutbox, type Outbox } from "./outbox";
import type { ChatMessage, Command, Exam, ExamEvents, ProctoringSession, Started } from "./protocol";
import { Sender, type SenderEvents } from "./sender";
import { Ticker } from "./ticker";

export interface ExamOptions extends LinkOptions {
  /** What is observed; everything, where nothing is said. */
  observe?: Partial<Observed>;
}

export interface ExamClientEvents extends SenderEvents {
  connection: (state: ConnectionState, error?: ProctoringError) => void;
  /** The session as the server has it, whenever its status, clock or hand changes. */
  session: (session: ProctoringSession) => void;
  /** Every second: what is left by the server's clock, and whether it is running. */
  time: (remainingMs: number, running: boolean) => void;
  /** Written by a proctor, each once. */
  chat: (message: ChatMessage) => void;
  /** Any command of a proctor's or of the exam's policy, each once; then the one of its action. */
  command: (command: Command) => void;
  admitted: (command: Command) => void;
  denied: (command: Command) => void;
  warned: (command: Command) => void;
  paused: (command: Command) => void;
  resumed: (command: Command) => void;
  extended: (command: Command) => void;
  terminated: (command: Command) => void;
  reinstated: (command: Command) => void;
}

const ACTIONS = {
  admit: "admitted",
  deny: "denied",
  warn: "warned",
  pause: "paused",
  resume: "resumed",
  extend: "extended",
  terminate: "terminated",
  reinstate: "reinstated",
} as const satisfies Record<Command["action"], keyof ExamClientEvents>;

const OVER = new Set<ProctoringSession["status"]>(["SUBMITTED", "TIMED_OUT", "TERMINATED", "DENIED"]);
const BEAT_ACK_MS = 10_000;

/** Whether a session in this status is over. */
export function isOver(status: ProctoringSession["status"]): boolean {
  return OVER.has(status);
}

/** Connect a student's page. Nothing is sent before `start`. */
export function connect(options: ExamOptions): ExamClient {
  return new ExamClient(options);
}

export class ExamClient {
  /** As the server last told; undefined before the first answer. */
  session: ProctoringSession | undefined;
  exam: Exam | undefined;

  private readonly emitter = createNanoEvents<ExamClientEvents>();
  private readonly clock = new ServerClock();
  private readonly shown = new Set<string>();
  private readonly tab = uuid();
  private link: Link<ExamEvents> | undefined;
  private outbox: Outbox | undefined;
  private sender: Sender | undefined;
  private ticker: Ticker | undefined;
  private channel: BroadcastChannel | undefined;
  private seconds: ReturnType<typeof setInterval> | undefined;
  private stopBeat: (() => void) | undefined;
  private stopObserving: (() => void) | undefined;
  private chatSince = 0;
  /** What is written while a start's answer is awaited, which holds what was written before; null otherwise. */
  private unread: ChatMessage[] | null = [];
  private stopNoting: (() => void) | undefined;
  private state: "new" | "started" | "closed" = "new";
  private here = false;
  private scope = "";
  private interval = 5000;

  constructor(private readonly options: ExamOptions) {}

  on<Event extends keyof ExamClientEvents>(event: Event, handler: ExamClientEvents[Event]): () => void {
    return this.emitter.on(event, handler);
  }

  get connection(): ConnectionState {
    return this.link?.state ?? "closed";
  }

  /** Whether what is reported outlives a reload: false where the browser has no IndexedDB for this page. */
  get durable(): boolean {
    return this.outbox?.durable ?? false;
  }

  /** The server's time, in milliseconds since 1970; the browser's until the server has told its own. */
  now(): number {
    return this.clock.now();
  }

  /** Milliseconds left by the server's clock; null before the first answer. */
  remainingMs(): number | null {
    return this.clock.remainingMs();
  }

  /**
   * Take part in an exam. Resolved with what the server knows of it once it has answered, however long the way there
   * takes; ProctoringError where it refuses. From here on the connection is kept up until `close`.
   */
  async start(examId: string): Promise<Started> {
    if (this.state !== "new") throw new ProctoringError("conflict", "This client has started already.");
    this.state = "started";
    const { url = location.origin, token } = this.options;
    const subject = subjectOf(typeof token === "function" ? await token() : token);
    this.scope = `${new URL(url).origin} ${examId} ${subject}`;
    const outbox = await openOutbox(this.scope);
    if (this.closed()) {
      outbox.close();
      throw new ProctoringError("offline", "The client was closed.");
    }
    this.outbox = outbox;
    this.ticker = new Ticker();
    return new Promise((resolve, reject) => {
      const link: Link<ExamEvents> = (this.link = new Link<ExamEvents>(
        "/exam",
        this.options,
        async () => resolve(await this.opened(link, outbox, examId)),
        async () => ({ clientId: outbox.clientId }),
      ));
      this.sender = new Sender(
        outbox,
        () => link.state === "online",
        (payload) => link.request("replay", payload),
        (event, ...what) => this.emitter.emit(event, ...what),
      );
      link.onState((state, error) => {
        if (state === "online") {
          void this.sender?.send();
          this.beatIn(this.interval * Math.random());
        }
        this.emitter.emit("connection", state, error);
        if (!link.stopped) return;
        this.rest();
        reject(error ?? new ProctoringError("offline", "The connection was closed."));
      });
      link.socket.on("session", (session: ProctoringSession) => this.take(session));
      link.socket.on("chat", (message: ChatMessage) => {
        if (this.unread) this.unread.push(message);
        else this.read([message]);
      });
      link.socket.on("command", (command: Command) => this.obey(command));
      link.socket.on("replaced", () => link.stop("replaced"));
      this.claim(link);
      this.seconds = setInterval(() => this.tick(), 1000);
      link.connect();
    });
  }

  /** Report something that the page itself noticed; resolved once it is kept. */
  async report(type: ClientActivity, data: Record<string, unknown> = {}, ago = 0): Promise<void> {
    const occurredAt = new Date(this.clock.now() - ago).toISOString();
    await this.keep("activity", { type, data, occurredAt });
  }

  /** Write to the proctors. */
  async chat(text: string): Promise<void> {
    await this.keep("chat", { text });
  }

  async raiseHand(text?: string): Promise<void> {
    await this.keep("raise_hand", text ? { text } : {});
  }

  async lowerHand(): Promise<void> {
    await this.keep("lower_hand", {});
  }

  /** Submit: first all that was reported, then the end. ProctoringError, code `offline`, where that cannot be now. */
  async end(): Promise<ProctoringSession> {
    const { link, sender, outbox } = this.started();
    await sender.send();
    if (await outbox.count()) throw new ProctoringError("offline", "Not everything has reached the server yet.");
    const { session } = await link.request("end", {});
    this.take(session);
    return session;
  }

  /** Stop taking part from this page; the session goes on at the server. */
  close(): void {
    this.state = "closed";
    this.link?.stop("closed");
    this.rest();
    this.sender?.close();
    this.outbox?.close();
  }

  private closed(): boolean {
    return this.state === "closed";
  }

  private async keep(event: string, payload: Record<string, unknown>): Promise<void> {
    await this.started().sender.add(event, payload);
  }

  private started(): { link: Link<ExamEvents>; sender: Sender; outbox: Outbox } {
    const { link, sender, outbox } = this;
    if (!link || !sender || !outbox) throw new ProctoringError("conflict", "Start first.");
    return { link, sender, outbox };
  }

  private async opened(link: Link<ExamEvents>, outbox: Outbox, examId: string): Promise<Started> {
    this.unread = [];
    const started = await link.request("start", { examId, chatSince: this.chatSince });
    await outbox.raise(started.lastSeq);
    this.clock.set(started.serverTime);
    this.exam = started.exam;
    this.interval = started.heartbeatIntervalMs;
    const first = !this.here;
    this.here = true;
    this.take(started.session);
    if (first && !isOver(started.session.status)) await this.cameBack();
    const waiting = await outbox.count();
    if (first && waiting) this.emitter.emit("pending", waiting);
    const { unread } = this;
    this.unread = null;
    this.read([...started.chat, ...(unread ?? [])]);
    return started;
  }

  private take(session: ProctoringSession): void {
    if (this.session && this.session.rev > session.rev) return;
    this.session = session;
    this.clock.setRemaining(session.remainingMs, session.status === "ACTIVE");
    const over = isOver(session.status);
    if (over) {
      this.stopObserving?.();
      this.stopObserving = undefined;
      this.stopBeat?.();
      this.stopBeat = undefined;
    } else {
      this.stopObserving ??= observe(
        (type, data, ago) => void this.report(type, data, ago),
        { ...EVERYTHING, ...this.options.observe },
      );
    }
    this.emitter.emit("session", session);
    this.tick();
    if (!over && !this.stopBeat && this.connection === "online") this.beatIn(this.interval);
  }

  private read(messages: ChatMessage[]): void {
    for (const message of messages) {
      if (message.offset <= this.chatSince) continue;
      this.chatSince = message.offset;
      this.emitter.emit("chat", message);
    }
  }

  private obey(command: Command): void {
    if (!this.shown.has(command.id)) {
      this.shown.add(command.id);
      this.emitter.emit("command", command);
      this.emitter.emit(ACTIONS[command.action], command);
    }
    // What is not acknowledged is given again after the next start.
    this.link?.request("command_ack", { commandId: command.id }).catch(() => undefined);
  }

  private beatIn(ms: number): void {
    this.stopBeat?.();
    if (!this.session || isOver(this.session.status)) return;
    this.stopBeat = this.ticker?.after(ms, () => void this.beat());
  }

  private async beat(): Promise<void> {
    const { link } = this;
    if (link?.state !== "online") return;
    try {
      const ack = await link.request("heartbeat", {}, BEAT_ACK_MS);
      this.interval = ack.nextHeartbeatMs;
      this.clock.set(ack.serverTime);
      this.clock.setRemaining(ack.remainingMs, ack.status === "ACTIVE");
    } catch (error) {
      // No answer on an open connection: it is dead, which TCP may take minutes to notice.
      if (error instanceof ProctoringError && error.code === "offline" && link.state === "online") link.renew();
    }
    if (link.state === "online") this.beatIn(this.interval);
  }

  private tick(): void {
    const left = this.clock.remainingMs();
    if (left !== null) this.emitter.emit("time", left, this.session?.status === "ACTIVE");
  }

  /** The newest tab of a browser takes over: the others, which share its outbox and its client id, stop. */
  private claim(link: Link<ExamEvents>): void {
    if (typeof BroadcastChannel === "undefined") return;
    this.channel = new BroadcastChannel("proctoring");
    this.channel.onmessage = ({ data }: MessageEvent<{ scope: string; tab: string }>) => {
      if (data.scope === this.scope && data.tab !== this.tab) link.stop("replaced");
    };
    this.channel.postMessage({ scope: this.scope, tab: this.tab });
  }

  /** Note when the page goes, and report that it was gone when it is back. */
  private async cameBack(): Promise<void> {
    if (this.options.observe?.reload === false) return;
    const key = `proctoring left ${this.scope}`;
    try {
      const left = Number(localStorage.getItem(key));
      localStorage.removeItem(key);
      const leave = () => {
        if (this.session && !isOver(this.session.status)) localStorage.setItem(key, String(Date.now()));
      };
      addEventListener("pagehide", leave);
      this.stopNoting = () => removeEventListener("pagehide", leave);
      if (left) await this.report("page_reload", { durationMs: Math.max(0, Date.now() - left) });
    } catch {
      // A page without storage cannot tell.
    }
  }

  private rest(): void {
    this.stopObserving?.();
    this.stopObserving = undefined;
    this.stopBeat?.();
    this.stopNoting?.();
    this.ticker?.close();
    this.channel?.close();
    clearInterval(this.seconds);
  }
}
