/** A stand-in for socket.io-client, so that a test can play the server. Only what the library uses of it. */

import type { EventError } from "../client/protocol";

export type Ack = { ok: true; data: object } | { ok: false; error: EventError };
type Json = Record<string, unknown>;
type Listener = (...args: unknown[]) => void;
/** undefined: no answer. */
type Handler = (payload: Json, socket: FakeSocket) => Ack | Promise<Ack> | undefined;

interface Options {
  auth: (give: (auth: Json) => void) => void;
}

export function ok(data: object): Ack {
  return { ok: true, data };
}

export function refused(code: EventError["code"], more: Partial<EventError> = {}): Ack {
  return { ok: false, error: { code, message: code, ...more } };
}

const BACK_MS = 500;

class FakeServer {
  /** All that was connected, in order; the last one is the page's. */
  sockets: FakeSocket[] = [];
  received: { event: string; payload: Json; at: number }[] = [];
  /** What was sent at each connect. */
  connections: Json[] = [];
  /** Gives why a connection is refused, if it is. */
  admit: (auth: Json) => EventError | undefined = () => undefined;
  /** Called right after an ack arrived, before anything else can happen. */
  afterAck: (() => void)[] = [];
  private handlers = new Map<string, Handler>();

  on(event: string, handler: Handler): void {
    this.handlers.set(event, handler);
  }

  answer(event: string, payload: Json, socket: FakeSocket): Ack | Promise<Ack> | undefined {
    this.received.push({ event, payload, at: Date.now() });
    const handler = this.handlers.get(event);
    return handler ? handler(payload, socket) : refused("unknown_event");
  }

  /** The payloads of an event, in order. */
  of(event: string): Json[] {
    return this.received.filter((one) => one.event === event).map(({ payload }) => payload);
  }

  get socket(): FakeSocket {
    return this.sockets[this.sockets.length - 1]!;
  }

  reset(): void {
    Object.assign(this, new FakeServer());
  }
}

export const server = new FakeServer();

let lastId = 0;

export class FakeSocket {
  connected = false;
  active = false;
  id: string | undefined;
  readonly io = { engine: { close: () => this.drop("forced close") } };
  private readonly listeners = new Map<string, Listener[]>();
  private readonly waiting = new Set<(error: Error) => void>();
  private attempt = 0;

  constructor(
    readonly url: string,
    private readonly options: Options,
  ) {}

  on(event: string, listener: Listener): void {
    this.listeners.set(event, [...(this.listeners.get(event) ?? []), listener]);
  }

  connect(): void {
    if (this.active) return;
    this.active = true;
    void this.open();
  }

  disconnect(): void {
    this.active = false;
    this.attempt++;
    this.closed("io client disconnect");
  }

  /** The connection breaks: a client comes back by itself. */
  drop(reason = "transport close"): void {
    if (!this.connected) return;
    this.closed(reason);
    const { attempt } = this;
    setTimeout(() => {
      if (this.active && attempt === this.attempt) void this.open();
    }, BACK_MS);
  }

  /** The server closes the connection: a client does not come back by itself. */
  kick(): void {
    if (!this.connected) return;
    this.active = false;
    this.closed("io server disconnect");
  }

  /** The server sends an event. */
  push(event: string, payload: object): void {
    if (this.connected) this.fire(event, copy(payload));
  }

  timeout(ms: number): { emitWithAck: (event: string, payload: object) => Promise<Ack> } {
    return {
      emitWithAck: (event, payload) =>
        new Promise((resolve, reject) => {
          const fail = (error: Error) => {
            clearTimeout(timer);
            this.waiting.delete(fail);
            reject(error);
          };
          const timer = setTimeout(() => fail(new Error("operation has timed out")), ms);
          this.waiting.add(fail);
          void Promise.resolve(server.answer(event, copy(payload) as Json, this)).then((ack) => {
            if (!ack || !this.waiting.delete(fail)) return;
            clearTimeout(timer);
            resolve(copy(ack));
            server.afterAck.splice(0).forEach((then) => then());
          });
        }),
    };
  }

  private async open(): Promise<void> {
    const attempt = ++this.attempt;
    const auth = await new Promise<Json>((give) => this.options.auth(give));
    if (attempt !== this.attempt) return;
    server.connections.push(auth);
    const refusal = server.admit(auth);
    if (refusal) {
      this.active = false;
      this.fire("connect_error", Object.assign(new Error(refusal.message), { data: refusal }));
      return;
    }
    this.connected = true;
    this.id = `connection ${++lastId}`;
    this.fire("connect");
  }

  private closed(reason: string): void {
    if (!this.connected) return;
    this.connected = false;
    for (const fail of [...this.waiting]) fail(new Error("socket has been disconnected"));
    this.fire("disconnect", reason);
  }

  private fire(event: string, ...args: unknown[]): void {
    for (const listener of this.listeners.get(event) ?? []) listener(...args);
  }
}

export function io(url: string, options: Options): FakeSocket {
  const socket = new FakeSocket(url, options);
  server.sockets.push(socket);
  return socket;
}

/** As it comes off the wire. */
function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
