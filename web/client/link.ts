/**
 * One connection to a namespace, kept up.
 *
 * socket.io-client reconnects by itself where the connection breaks. Where the server closed it, or was too busy, this
 * comes back too, slower each time and at a random moment, so that a class that was cut off at once does not return at
 * once. Where the server refused, it stays away and says why.
 */

import { createNanoEvents, type Emitter } from "nanoevents";
import { io, type Socket } from "socket.io-client";
import { ProctoringError } from "./errors";
import type { EventError } from "./protocol";

/**
 * `connecting`: connected, and catching up; `online`: all is well; `offline`: coming back by itself; `refused`: by the
 * server, for good; `replaced`: another device or tab took over; `closed`: by this page.
 */
export type ConnectionState = "connecting" | "online" | "offline" | "refused" | "replaced" | "closed";

export type Token = string | (() => string | Promise<string>);

export interface LinkOptions {
  /** The server, without a path: "https://proctoring.example". By default where the page is from. */
  url?: string;
  /** A token, or what gives one: asked at each connect, so that it may have been renewed. */
  token: Token;
}

type Events = Record<string, { payload: object; ack: object }>;
type Ack<Data> = { ok: true; data: Data } | { ok: false; error: EventError };

const ACK_MS = 15_000;
const FIRST_MS = 500;
const LONGEST_MS = 15_000;

export class Link<Sent extends { [Event in keyof Sent]: { payload: object; ack: object } } = Events> {
  state: ConnectionState = "connecting";
  readonly socket: Socket;
  private readonly emitter: Emitter<{ state: (state: ConnectionState, error?: ProctoringError) => void }> =
    createNanoEvents();
  private attempts = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `open` is awaited after each connect, before the link counts as online; `auth` gives what goes beside the token. */
  constructor(
    namespace: string,
    options: LinkOptions,
    private readonly open: () => Promise<void>,
    auth: () => Promise<object> = async () => ({}),
  ) {
    const { url = location.origin, token } = options;
    this.socket = io(new URL(namespace, url).href, {
      autoConnect: false,
      forceNew: true,
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      reconnectionDelay: FIRST_MS,
      reconnectionDelayMax: LONGEST_MS,
      randomizationFactor: 0.5,
      auth: (give) => {
        void Promise.all([typeof token === "function" ? token() : token, auth()])
          .then(([value, more]) => give({ token: value, ...more }))
          .catch(() => this.retry());
      },
    });
    this.socket.on("connect", () => void this.opened());
    this.socket.on("disconnect", (reason) => this.lost(reason));
    this.socket.on("connect_error", (error) => this.failed(error as Error & { data?: EventError }));
    globalThis.addEventListener?.("online", this.hurry);
    globalThis.addEventListener?.("offline", this.doubt);
  }

  connect(): void {
    this.socket.connect();
  }

  onState(handler: (state: ConnectionState, error?: ProctoringError) => void): () => void {
    return this.emitter.on("state", handler);
  }

  /** Send an event and give its ack's data. ProctoringError where it was refused or no answer came. */
  async request<Event extends keyof Sent & string>(
    event: Event,
    payload: Sent[Event]["payload"],
    timeoutMs = ACK_MS,
  ): Promise<Sent[Event]["ack"]> {
    if (!this.socket.connected) throw new ProctoringError("offline", "There is no connection to the server.");
    let ack: Ack<Sent[Event]["ack"]>;
    try {
      ack = await this.socket.timeout(timeoutMs).emitWithAck(event, payload);
    } catch {
      throw new ProctoringError("offline", "The server did not answer.");
    }
    if (!ack.ok) throw ProctoringError.of(ack.error);
    return ack.data;
  }

  /** Give a connection up that does not answer, and make a new one. */
  renew(): void {
    this.socket.io.engine?.close();
  }

  /** Stay away from now on. */
  stop(state: "refused" | "replaced" | "closed", error?: ProctoringError): void {
    if (this.stopped) return;
    this.set(state, error);
    clearTimeout(this.timer);
    globalThis.removeEventListener?.("online", this.hurry);
    globalThis.removeEventListener?.("offline", this.doubt);
    this.socket.disconnect();
  }

  get stopped(): boolean {
    return this.state === "refused" || this.state === "replaced" || this.state === "closed";
  }

  private async opened(): Promise<void> {
    const { id } = this.socket;
    this.set("connecting");
    try {
      await this.open();
    } catch (error) {
      if (this.stopped || this.socket.id !== id) return;
      const refusal = error instanceof ProctoringError ? error : new ProctoringError("internal", String(error));
      if (refusal.passing) this.retry(refusal.retryAfterMs);
      else this.stop("refused", refusal);
      return;
    }
    if (this.stopped || this.socket.id !== id) return;
    this.attempts = 0;
    this.set("online");
  }

  private lost(reason: string): void {
    if (this.stopped || reason === "io client disconnect") return;
    this.set("offline");
    if (!this.socket.active) this.retry();
  }

  private failed(error: Error & { data?: EventError }): void {
    if (this.stopped) return;
    const refusal = error.data?.code ? ProctoringError.of(error.data) : undefined;
    if (refusal && !refusal.passing) {
      this.stop("refused", refusal);
      return;
    }
    this.set("offline", refusal);
    if (!this.socket.active) this.retry(refusal?.retryAfterMs);
  }

  private retry(afterMs = 0): void {
    if (this.stopped) return;
    this.set("offline");
    this.socket.disconnect();
    const wait = Math.min(FIRST_MS * 2 ** this.attempts++, LONGEST_MS) * (0.5 + Math.random());
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.socket.connect(), Math.max(wait, afterMs));
  }

  /** The browser has a network again: do not wait for the next attempt's turn. */
  private readonly hurry = (): void => {
    if (this.state !== "offline") return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.socket.connected || this.stopped) return;
      this.socket.disconnect();
      this.socket.connect();
    }, FIRST_MS * Math.random());
  };

  /** The browser has no network: an open connection is most likely dead, which nobody would notice for a while. */
  private readonly doubt = (): void => this.renew();

  private set(state: ConnectionState, error?: ProctoringError): void {
    if (state === this.state && !error) return;
    this.state = state;
    this.emitter.emit("state", state, error);
  }
}
