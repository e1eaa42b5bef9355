/**
 * What was reported and is not acknowledged yet, in IndexedDB: it outlives a reload and a crash of the browser.
 *
 * One `scope` is one student's exam on one server in this browser. It has a client id and a counter of its own; a number
 * is given in the same transaction that keeps the event, so two tabs never give one twice. Where the browser has no
 * IndexedDB, memory has to do, and `durable` says so.
 */

import { openDB, type DBSchema, type IDBPDatabase } from "idb";
import { uuid } from "./ids";
import { Journal } from "./journal";

export interface Kept {
  scope: string;
  seq: number;
  /** Its own, for telling whether it was kept after all; see `journal.ts`. */
  id?: string;
  event: string;
  payload: Record<string, unknown>;
}

interface Scope {
  scope: string;
  clientId: string;
  seq: number;
}

interface Schema extends DBSchema {
  kept: { key: [string, number]; value: Kept };
  scopes: { key: string; value: Scope };
}

export interface Outbox {
  readonly clientId: string;
  readonly durable: boolean;
  /** Keep an event; gives its number. */
  add(event: string, payload: Record<string, unknown>): Promise<number>;
  /** The oldest, at most `most`. */
  oldest(most: number): Promise<Kept[]>;
  /** Forget these: they are acknowledged, or will never be taken. */
  drop(seqs: number[]): Promise<void>;
  /** How many wait. */
  count(): Promise<number>;
  /** Number on from here where the counter is behind. */
  raise(seq: number): Promise<void>;
  close(): void;
}

const NAME = "proctoring";
const HIGHEST = Number.MAX_SAFE_INTEGER;

export async function openOutbox(scope: string): Promise<Outbox> {
  try {
    const database = await openDB<Schema>(NAME, 1, {
      upgrade(fresh) {
        fresh.createObjectStore("kept", { keyPath: ["scope", "seq"] });
        fresh.createObjectStore("scopes", { keyPath: "scope" });
      },
    });
    const transaction = database.transaction("scopes", "readwrite");
    const known = (await transaction.store.get(scope)) ?? { scope, clientId: uuid(), seq: 0 };
    await transaction.store.put(known);
    await transaction.done;
    const outbox = new DatabaseOutbox(database, scope, known.clientId);
    await outbox.recover();
    return outbox;
  } catch {
    return new MemoryOutbox(scope);
  }
}

class DatabaseOutbox implements Outbox {
  readonly durable = true;
  private readonly journal: Journal;

  constructor(
    private readonly database: IDBPDatabase<Schema>,
    private readonly scope: string,
    readonly clientId: string,
  ) {
    this.journal = new Journal(scope);
  }

  async add(event: string, payload: Record<string, unknown>): Promise<number> {
    const id = this.journal.begin(event, payload);
    try {
      return await this.keep(event, payload, id);
    } finally {
      this.journal.done(id);
    }
  }

  /** Keep what the page before had begun to keep when it went. */
  async recover(): Promise<void> {
    const left = this.journal.left();
    if (!left.length) return;
    const known = new Set((await this.database.getAll("kept", this.range())).map(({ id }) => id));
    for (const { id, event, payload } of left) if (!known.has(id)) await this.keep(event, payload, id);
  }

  private async keep(event: string, payload: Record<string, unknown>, id: string): Promise<number> {
    const transaction = this.database.transaction(["scopes", "kept"], "readwrite");
    const scopes = transaction.objectStore("scopes");
    const known = (await scopes.get(this.scope)) ?? { scope: this.scope, clientId: this.clientId, seq: 0 };
    known.seq += 1;
    // First what may be refused, as it cannot be copied: then no number is taken.
    const kept = transaction.objectStore("kept").put({ scope: this.scope, seq: known.seq, id, event, payload });
    await Promise.all([kept, scopes.put(known), transaction.done]);
    return known.seq;
  }

  oldest(most: number): Promise<Kept[]> {
    return this.database.getAll("kept", this.range(), most);
  }

  async drop(seqs: number[]): Promise<void> {
    const transaction = this.database.transaction("kept", "readwrite");
    for (const seq of seqs) void transaction.store.delete([this.scope, seq]);
    await transaction.done;
  }

  count(): Promise<number> {
    return this.database.count("kept", this.range());
  }

  async raise(seq: number): Promise<void> {
    const transaction = this.database.transaction("scopes", "readwrite");
    const known = await transaction.store.get(this.scope);
    if (known && known.seq < seq) await transaction.store.put({ ...known, seq });
    await transaction.done;
  }

  close(): void {
    this.journal.close();
    this.database.close();
  }

  private range(): IDBKeyRange {
    return IDBKeyRange.bound([this.scope, 0], [this.scope, HIGHEST]);
  }
}

class MemoryOutbox implements Outbox {
  readonly durable = false;
  readonly clientId = uuid();
  private kept: Kept[] = [];
  private seq = 0;

  constructor(private readonly scope: string) {}

  async add(event: string, payload: Record<string, unknown>): Promise<number> {
    this.kept.push({ scope: this.scope, seq: this.seq + 1, event, payload: structuredClone(payload) });
    return (this.seq += 1);
  }

  async oldest(most: number): Promise<Kept[]> {
    return this.kept.slice(0, most);
  }

  async drop(seqs: number[]): Promise<void> {
    const gone = new Set(seqs);
    this.kept = this.kept.filter((one) => !gone.has(one.seq));
  }

  async count(): Promise<number> {
    return this.kept.length;
  }

  async raise(seq: number): Promise<void> {
    this.seq = Math.max(this.seq, seq);
  }

  close(): void {}
}
