/** The server's clock, as this page knows it. The browser's own may be wrong by hours; only its ticking is used. */

const MOST_LATE_MS = 5000; // beyond, the server's clock itself was set back

export class ServerClock {
  private offset: number | undefined;
  private left: { ms: number; at: number; running: boolean } | undefined;

  constructor(private readonly ticks: () => number = () => performance.now()) {}

  /** The server's time was `time` a moment ago. What was long on its way does not set the clock back. */
  set(time: string | number): void {
    const offset = new Date(time).getTime() - this.ticks();
    const back = (this.offset ?? offset) - offset;
    if (back <= 0 || back > MOST_LATE_MS) this.offset = offset;
  }

  /** So much is left now; `running`: it is getting less. */
  setRemaining(ms: number, running: boolean): void {
    this.left = { ms, at: this.ticks(), running };
  }

  /** Whether the server has told its time. */
  get known(): boolean {
    return this.offset !== undefined;
  }

  /** The server's time, in milliseconds since 1970; the browser's where the server's is not known yet. */
  now(): number {
    return this.offset === undefined ? Date.now() : this.offset + this.ticks();
  }

  /** Milliseconds that are left, never less than 0; null while nothing is known of it. */
  remainingMs(): number | null {
    if (!this.left) return null;
    const gone = this.left.running ? this.ticks() - this.left.at : 0;
    return Math.max(0, this.left.ms - gone);
  }
}
