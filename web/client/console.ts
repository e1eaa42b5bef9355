/**
 * A proctor's console: joins an exam, and has seen everything exactly once whatever happened to its connection.
 *
 * It keeps the offset of the last activity and joins again with it. What is pushed continues there; where it does not,
 * because a message got lost on the way, it joins once more. Counts by severity are the join's, and then go up by each
 * activity, so that they are those of `offset` at any moment.
 */

import { createNanoEvents } from "nanoevents";
import { ServerClock } from "./clock";
import { ProctoringError } from "./errors";
import { uuid } from "./ids";
import { Link, type ConnectionState, type LinkOptions } from "./link";
import type {
  Activity,
  ActivityPush,
  Command,
  CommandsPush,
  Counts,
  Exam,
  GivenCommand,
  Joined,
  PresencePush,
  ProctoringSession,
  ProctorEvents,
  Recorded,
  Review,
} from "./protocol";

/** How an activity came: among the latest at the first join, in what was missed meanwhile, or as it happened. */
export type Arrival = "latest" | "missed" | "live";

/** What a `command` needs, but for the request's id and the exam, which the console knows. */
export type Wish = Omit<GivenCommand, "requestId" | "examId">;

export interface ConsoleEvents {
  connection: (state: ConnectionState, error?: ProctoringError) => void;
  /** In offset order, each once. */
  activity: (items: Activity[], arrival: Arrival) => void;
  /** Sessions that are new or changed. */
  sessions: (items: ProctoringSession[]) => void;
  /** Commands that are new, or whose fate changed. */
  commands: (items: Command[]) => void;
  /** All of what was missed is there: how many activities, up to which offset. Also after the first join. */
  caughtUp: (missed: number, offset: number) => void;
  /** The log is another one (a database was restored): all that was known is void. */
  reset: () => void;
}

const TECHNICAL = new Set<Activity["type"]>(["heartbeat_missing", "heartbeat_resumed"]);
const NONE: Counts = { info: 0, low: 0, medium: 0, high: 0, critical: 0 };
const PROBE_MS = 5000;

/** Watch an exam. */
export function watch(options: LinkOptions): ConsoleClient {
  return new ConsoleClient(options);
}

export class ConsoleClient {
  exam: Exam | undefined;
  /** By id, as new as is known. */
  readonly sessions = new Map<string, ProctoringSession>();
  /** All activities up to here have been given. */
  offset: number | undefined;

  private readonly emitter = createNanoEvents<ConsoleEvents>();
  private readonly clock = new ServerClock();
  private readonly counts = new Map<string, Counts>();
  private link: Link<ProctorEvents> | undefined;
  private epoch: string | undefined;
  private joins = 0;
  /** How many activities came since the console was last caught up. */
  private missed = 0;
  /** What is pushed while a join's answer is awaited, or has arrived and is not taken yet; null otherwise. */
  private held: ActivityPush[] | null = null;
  private probes: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly options: LinkOptions) {}

  on<Event extends keyof ConsoleEvents>(event: Event, handler: ConsoleEvents[Event]): () => void {
    return this.emitter.on(event, handler);
  }

  get connection(): ConnectionState {
    return this.link?.state ?? "closed";
  }

  /** The server's time, in milliseconds since 1970. */
  now(): number {
    return this.clock.now();
  }

  /** Milliseconds that a session has left. */
  remainingMs(session: ProctoringSession): number {
    if (session.status !== "ACTIVE" || !session.deadline) return session.remainingMs;
    return Math.max(0, Date.parse(session.deadline) - this.now());
  }

  /** Join, and stay joined until `close`. Resolved once all up to now is there; ProctoringError where that is refused. */
  join(examId: string): Promise<void> {
    if (this.link) throw new ProctoringError("conflict", "This console has joined already.");
    return new Promise((resolve, reject) => {
      const link: Link<ProctorEvents> = (this.link = new Link<ProctorEvents>("/proctor", this.options, () => this.catchUp(link, examId)));
      link.onState((state, error) => {
        this.emitter.emit("connection", state, error);
        if (state === "online") resolve();
        if (!link.stopped) return;
        clearInterval(this.probes);
        reject(error ?? new ProctoringError("offline", "The console was closed."));
      });
      link.socket.on("activity", (push: ActivityPush) => this.pushed(link, push));
      link.socket.on("presence", (push: PresencePush) => this.take(push.items));
      link.socket.on("commands", (push: CommandsPush) => this.emitter.emit("commands", push.items));
      this.probes = setInterval(() => void this.probe(link), PROBE_MS);
      link.connect();
    });
  }

  /** Without `sessionId`: to every session that it fits. */
  async command(wish: Wish): Promise<Command[]> {
    const { link, examId } = this.joined();
    return (await link.request("command", { requestId: uuid(), examId, ...wish })).commands;
  }

  /** To one student, or to all. */
  chat(text: string, sessionId?: string): Promise<Recorded> {
    const { link, examId } = this.joined();
    return link.request("chat", { requestId: uuid(), examId, text, ...(sessionId && { sessionId }) });
  }

  lowerHand(sessionId: string): Promise<Recorded> {
    return this.joined().link.request("lower_hand", { requestId: uuid(), sessionId });
  }

  review(sessionId: string, verdict: Review["verdict"], note?: string): Promise<Recorded> {
    return this.joined().link.request("review", { requestId: uuid(), sessionId, verdict, ...(note && { note }) });
  }

  close(): void {
    this.link?.stop("closed");
  }

  private joined(): { link: Link<ProctorEvents>; examId: string } {
    if (!this.link || !this.exam) throw new ProctoringError("conflict", "Join first.");
    return { link: this.link, examId: this.exam.id };
  }

  /** Join with the offset until nothing is missing. Pushes begin after the answer that is complete. */
  private async catchUp(link: Link<ProctorEvents>, examId: string): Promise<void> {
    const mine = ++this.joins;
    this.held = [];
    const before = this.offset;
    for (;;) {
      const since = this.offset;
      const ack = await link.request("join", since === undefined ? { examId } : { examId, since, epoch: this.epoch });
      if (mine !== this.joins) return;
      this.missed += this.takeJoined(ack, before === undefined || ack.reset ? "latest" : "missed");
      if (!ack.truncated) break;
    }
    const { held, missed } = this;
    this.held = null;
    this.missed = 0;
    this.emitter.emit("caughtUp", missed, this.offset ?? 0);
    for (const push of held) this.pushed(link, push);
  }

  private takeJoined(ack: Joined, arrival: Arrival): number {
    if (ack.reset) {
      this.sessions.clear();
      this.counts.clear();
      this.emitter.emit("reset");
    }
    this.exam = ack.exam;
    this.epoch = ack.epoch;
    this.offset = ack.offset;
    for (const session of ack.sessions) {
      this.setClock(session);
      // A join's counts are those of the whole log: where it was truncated, the next one's are taken.
      if (session.counts) this.counts.set(session.id, session.counts);
    }
    this.take(ack.sessions);
    if (ack.activity.length) this.emitter.emit("activity", ack.activity, arrival);
    return ack.activity.length;
  }

  private pushed(link: Link<ProctorEvents>, push: ActivityPush): void {
    if (this.held) {
      this.held.push(push);
      return;
    }
    const offset = this.offset ?? 0;
    const next = push.items.filter((item) => item.offset > offset);
    const first = next[0];
    if (!first) return;
    if (first.offset !== offset + 1) {
      void this.catchUp(link, push.examId).catch(() => link.renew());
      return;
    }
    this.offset = next[next.length - 1]!.offset;
    const changed = new Map<string, ProctoringSession>();
    for (const item of next) this.count(item, changed);
    this.emitter.emit("activity", next, "live");
    if (changed.size) this.emitter.emit("sessions", [...changed.values()]);
  }

  private count(item: Activity, changed: Map<string, ProctoringSession>): void {
    if (!item.sessionId) return;
    const counts = { ...(this.counts.get(item.sessionId) ?? NONE) };
    if (!TECHNICAL.has(item.type)) counts[item.severity] += 1;
    this.counts.set(item.sessionId, counts);
    const session = this.sessions.get(item.sessionId);
    if (!session) return;
    const next = { ...session, counts, lastActivityAt: item.receivedAt };
    this.sessions.set(session.id, next);
    changed.set(session.id, next);
  }

  private take(sessions: ProctoringSession[]): void {
    const changed: ProctoringSession[] = [];
    for (const session of sessions) {
      const known = this.sessions.get(session.id);
      const newest = known && known.rev > session.rev ? known : session;
      const next = { ...newest, counts: this.counts.get(session.id) ?? NONE };
      this.sessions.set(session.id, next);
      changed.push(next);
    }
    if (changed.length) this.emitter.emit("sessions", changed);
  }

  /** A session whose clock runs tells the server's time: so much is left until then. */
  private setClock(session: ProctoringSession): void {
    if (session.status === "ACTIVE" && session.deadline && session.remainingMs > 0) {
      this.clock.set(Date.parse(session.deadline) - session.remainingMs);
    }
  }

  /** A connection that is dead without a word: any event is answered, if only that there is no such one. */
  private async probe(link: Link<ProctorEvents>): Promise<void> {
    if (link.state !== "online") return;
    try {
      await (link as unknown as Link).request("probe", {}, PROBE_MS);
    } catch (error) {
      if (error instanceof ProctoringError && error.code === "offline" && link.state === "online") link.renew();
    }
  }
}
