/**
 * What a live room shows, kept beside the components: two hundred events a second are taken in as they come, and what is
 * on the screen is made anew at most four times a second.
 */

import { signal } from "@preact/signals";
import { watch, type ConsoleClient, type Wish } from "@client/console";
import type { ProctoringError } from "@client/errors";
import type { ConnectionState } from "@client/link";
import type { Activity, Command, ProctoringSession } from "@client/protocol";
import { socketUrl, type Api, type User } from "@shared/api";
import { alphabetical, attention, inOrder, type Attention, type Unread } from "./attention";

const EVERY_MS = 250;
const MOST_IN_FEED = 1000;

export interface Row {
  session: ProctoringSession;
  attention: Attention;
  /** In the alphabet. */
  place: number;
}

export class RoomModel {
  /** Goes up when what is shown may be another. */
  readonly version = signal(0);
  readonly connection = signal<{ state: ConnectionState; error?: ProctoringError | undefined; since: number }>({
    state: "connecting",
    since: Date.now(),
  });
  /** The last time that this console got all that it had missed. */
  readonly caughtUp = signal<{ missed: number; offset: number; at: number; first: boolean } | null>(null);
  /** The latest activities, oldest first. */
  feed: Activity[] = [];
  readonly commands = new Map<string, Command[]>();
  readonly unread = new Map<string, Unread>();
  /** The organisation's people by id, as far as this user may see them. */
  readonly people = new Map<string, User>();
  readonly client: ConsoleClient;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private slow: ReturnType<typeof setInterval>;
  private places = new Map<string, number>();
  private watchers = new Map<string, Set<(items: Activity[]) => void>>();

  constructor(
    readonly api: Api,
    token: string,
    readonly examId: string,
  ) {
    this.client = watch({ url: socketUrl(), token });
    this.client.on("connection", (state, error) => {
      const { since } = this.connection.value;
      const lost = this.connection.value.state === "online" || state === "online";
      this.connection.value = { state, error, since: lost ? Date.now() : since };
    });
    this.client.on("activity", (items) => this.take(items));
    this.client.on("sessions", () => this.changed());
    this.client.on("commands", (items) => this.takeCommands(items));
    this.client.on("caughtUp", (missed, offset) => {
      this.caughtUp.value = { missed, offset, at: Date.now(), first: this.caughtUp.value === null };
      this.changed();
    });
    this.client.on("reset", () => {
      this.feed = [];
      this.unread.clear();
    });
    // What is said of time ("No contact for 2 min") grows old by itself.
    this.slow = setInterval(() => this.changed(), 5000);
    this.client.join(examId).catch(() => undefined); // `connection` tells
    void this.loadPeople();
  }

  close(): void {
    clearInterval(this.slow);
    clearTimeout(this.timer);
    this.client.close();
  }

  /** Everybody with a session, those who need attention first. */
  rows(): Row[] {
    const now = this.client.now();
    const { sessions } = this.client;
    if (this.places.size !== sessions.size) {
      this.places = alphabetical(new Map([...sessions.values()].map(({ id, user }) => [id, user.name])));
    }
    return [...sessions.values()]
      .map((session) => ({
        session,
        attention: attention(session, now, this.unread.get(session.id)),
        place: this.places.get(session.id) ?? 0,
      }))
      .sort(inOrder);
  }

  /** The students of the exam who have not started. */
  absent(): User[] {
    const here = new Set([...this.client.sessions.values()].map(({ userId }) => userId));
    return (this.client.exam?.users ?? [])
      .map((id) => this.people.get(id))
      .filter((user): user is User => user?.role === "STUDENT" && !here.has(user.id))
      .sort((a, b) => a.name.localeCompare(b.name));
  }

  nameOf(activity: Activity): string {
    const session = activity.sessionId ? this.client.sessions.get(activity.sessionId) : undefined;
    return session?.user.name ?? (activity.userId ? this.who(activity.userId) : "All");
  }

  who(userId: string | null): string {
    return userId ? (this.people.get(userId)?.name ?? "Staff") : "The exam’s policy";
  }

  /** Be told of a session's activities from now on. */
  follow(sessionId: string, handler: (items: Activity[]) => void): () => void {
    const handlers = this.watchers.get(sessionId) ?? new Set();
    this.watchers.set(sessionId, handlers.add(handler));
    return () => handlers.delete(handler);
  }

  read(sessionId: string): void {
    if (this.unread.delete(sessionId)) this.changed();
  }

  async command(wish: Wish): Promise<Command[]> {
    const made = await this.client.command(wish);
    this.takeCommands(made);
    return made;
  }

  takeCommands(items: Command[]): void {
    for (const item of items) {
      const others = (this.commands.get(item.sessionId) ?? []).filter(({ id }) => id !== item.id);
      this.commands.set(
        item.sessionId,
        [...others, item].sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1)),
      );
    }
    this.changed();
  }

  changed(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.version.value += 1;
    }, EVERY_MS);
  }

  private take(items: Activity[]): void {
    this.feed.push(...items);
    if (this.feed.length > 2 * MOST_IN_FEED) this.feed = this.feed.slice(-MOST_IN_FEED);
    for (const item of items) {
      const { sessionId } = item;
      if (!sessionId || item.type !== "chat") continue;
      if (item.source === "proctor") this.unread.delete(sessionId);
      else if (item.data["text"] !== undefined) {
        const since = this.unread.get(sessionId)?.since ?? Date.parse(item.receivedAt);
        this.unread.set(sessionId, { since, text: String(item.data["text"]) });
      }
    }
    for (const [sessionId, handlers] of this.watchers) {
      const own = items.filter((item) => item.sessionId === sessionId || item.sessionId === null);
      if (own.length) handlers.forEach((handler) => handler(own));
    }
    this.changed();
  }

  private async loadPeople(): Promise<void> {
    try {
      for (const user of await this.api.all<User>("/routes/users")) this.people.set(user.id, user);
      this.changed();
    } catch {
      // Names of staff, and who is absent, are then not shown.
    }
  }
}
