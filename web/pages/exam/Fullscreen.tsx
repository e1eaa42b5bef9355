/** Fullscreen, for who wants to see nothing else; offered where the browser can. */

import { useEffect, useState } from "preact/hooks";

export function Fullscreen() {
  const [on, setOn] = useState(document.fullscreenElement !== null);
  useEffect(() => {
    const look = () => setOn(document.fullscreenElement !== null);
    document.addEventListener("fullscreenchange", look);
    return () => document.removeEventListener("fullscreenchange", look);
  }, []);
  if (!document.fullscreenEnabled) return null;
  const toggle = () => {
    const done = on ? document.exitFullscreen() : document.documentElement.requestFullscreen();
    done.catch(() => undefined); // the browser or the user said no, which both see
  };
  return <button onClick={toggle}>{on ? "Leave fullscreen" : "Go fullscreen"}</button>;
}
