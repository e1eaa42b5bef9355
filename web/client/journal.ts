/**
 * What is being kept at the very moment when the page goes: its transaction may go with it. Such an event is noted in
 * localStorage, which is written at once, and kept at the next start unless it had been after all.
 */

import { uuid } from "./ids";

export interface Entry {
  id: string;
  event: string;
  payload: Record<string, unknown>;
}

export class Journal {
  private readonly under = new Map<string, Entry>();
  private readonly key: string;
  private noted = false;

  constructor(scope: string) {
    this.key = `proctoring unkept ${scope}`;
    globalThis.addEventListener?.("pagehide", this.note);
  }

  /** It is about to be kept; gives its id. */
  begin(event: string, payload: Record<string, unknown>): string {
    const id = uuid();
    this.under.set(id, { id, event, payload });
    return id;
  }

  /** It is kept, or cannot be. */
  done(id: string): void {
    this.under.delete(id);
    if (this.noted) this.note();
  }

  /** What the page before this one had not kept when it went, in order. */
  left(): Entry[] {
    try {
      const noted = localStorage.getItem(this.key);
      localStorage.removeItem(this.key);
      return noted ? (JSON.parse(noted) as Entry[]) : [];
    } catch {
      return []; // a page without storage
    }
  }

  close(): void {
    globalThis.removeEventListener?.("pagehide", this.note);
  }

  private readonly note = (): void => {
    try {
      this.noted = this.under.size > 0;
      if (this.noted) localStorage.setItem(this.key, JSON.stringify([...this.under.values()]));
      else localStorage.removeItem(this.key);
    } catch {
      // A page without storage, or with a full one.
    }
  };
}
