/** A page's heading, which is also the window's title and where the focus goes when its place is gone. */

import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

export function Heading({ title, at }: { title: string; at?: RefObject<HTMLHeadingElement> }) {
  const own = useRef<HTMLHeadingElement>(null);
  const heading = at ?? own;
  useEffect(() => {
    document.title = `${title} · Proctor console`;
  }, [title]);
  useEffect(() => {
    // The link that led here has gone with its page.
    if (document.activeElement === document.body) heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {title}
    </h1>
  );
}

/** A place, and a function that moves the focus there if it has none once what is being changed is on the screen. */
export function useRefocus<T extends HTMLElement>(): [RefObject<T>, () => void] {
  const place = useRef<T>(null);
  const [times, setTimes] = useState(0);
  useEffect(() => {
    if (times && document.activeElement === document.body) place.current?.focus();
  }, [times]);
  return [place, () => setTimes((now) => now + 1)];
}
