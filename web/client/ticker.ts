/**
 * Timers that a hidden tab does not slow down.
 *
 * A browser lets a hidden page's timers go off once a second, after five minutes once a minute; a worker's are left
 * alone. The worker's few lines are made into a blob, so that the library can be loaded from another origin; where the
 * page's policy forbids that (it needs `worker-src blob:`), the page's own timers have to do.
 */

const SOURCE =
  "const t={};onmessage=({data:[id,ms]})=>{clearTimeout(t[id]);" +
  "if(ms===null)delete t[id];else t[id]=setTimeout(()=>{delete t[id];postMessage(id)},ms)}";

export class Ticker {
  private readonly waiting = new Map<number, () => void>();
  private readonly timers = new Map<number, ReturnType<typeof setTimeout>>();
  private readonly url = URL.createObjectURL(new Blob([SOURCE], { type: "text/javascript" }));
  private worker: Worker | undefined;
  private last = 0;

  constructor() {
    try {
      this.worker = new Worker(this.url);
      this.worker.onmessage = ({ data }) => this.ring(data as number);
      this.worker.onerror = () => this.fallBack();
    } catch {
      this.worker = undefined;
    }
  }

  /** Whether the timers are a worker's. */
  get inWorker(): boolean {
    return this.worker !== undefined;
  }

  /** Call `action` in `ms` milliseconds; gives what takes that back. */
  after(ms: number, action: () => void): () => void {
    const id = ++this.last;
    this.waiting.set(id, action);
    if (this.worker) this.worker.postMessage([id, ms]);
    else this.timers.set(id, setTimeout(() => this.ring(id), ms));
    return () => {
      if (!this.waiting.delete(id)) return;
      this.worker?.postMessage([id, null]);
      clearTimeout(this.timers.get(id));
      this.timers.delete(id);
    };
  }

  close(): void {
    this.worker?.terminate();
    URL.revokeObjectURL(this.url);
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.waiting.clear();
    this.timers.clear();
  }

  private ring(id: number): void {
    const action = this.waiting.get(id);
    this.waiting.delete(id);
    this.timers.delete(id);
    action?.();
  }

  /** The worker could not be run: whoever waits for it is called at once, and sets the next timer here. */
  private fallBack(): void {
    this.worker = undefined;
    for (const id of [...this.waiting.keys()]) this.ring(id);
  }
}
