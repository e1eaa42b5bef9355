/** Each step of the page has a title, and a heading to which keyboard and screen reader are taken when it begins. */

import { useEffect, useRef } from "preact/hooks";
import type { RefObject } from "preact";

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title;
  }, [title]);
}

/** For the step's `<h1 tabIndex={-1}>`. */
export function useStep(title: string): RefObject<HTMLHeadingElement> {
  const heading = useRef<HTMLHeadingElement>(null);
  useTitle(title);
  useEffect(() => heading.current?.focus(), []);
  return heading;
}
