/** What is asked of the server before a page can be shown: the waiting, the failing, the asking again. */

import type { ComponentChildren } from "preact";
import { flushSync } from "preact/compat";
import { useEffect, useState } from "preact/hooks";
import { saying } from "@shared/api";
import { Problem } from "@shared/parts";

export interface Loaded<T> {
  value: T | undefined;
  problem: string;
  again: () => void;
  /** Put something newer in place of what was loaded. */
  change: (to: (now: T) => T) => void;
}

/** `load` is called again whenever one of `keys` is another. */
export function useLoaded<T>(load: () => Promise<T>, keys: unknown[]): Loaded<T> {
  const [value, setValue] = useState<T | undefined>(undefined);
  const [problem, setProblem] = useState("");
  const [round, setRound] = useState(0);
  useEffect(() => {
    let wanted = true;
    setProblem("");
    load().then(
      (found) => wanted && setValue(() => found),
      (error: unknown) => wanted && setProblem(saying(error)),
    );
    return () => {
      wanted = false;
    };
  }, [...keys, round]);
  return {
    value,
    problem,
    again: () => setRound((now) => now + 1),
    // Drawn at once: a dialog that is closed next gives the focus back to a row which is already in its new place.
    change: (to) => flushSync(() => setValue((now) => (now === undefined ? now : to(now)))),
  };
}

export function Loading<T>({ of, children }: { of: Loaded<T>; children: (value: T) => ComponentChildren }) {
  if (of.problem) {
    return (
      <>
        <Problem>{of.problem}</Problem>
        <button onClick={of.again}>Try again</button>
      </>
    );
  }
  return of.value === undefined ? <p class="quiet">Loading…</p> : <>{children(of.value)}</>;
}
