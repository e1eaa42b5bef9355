/** A dialog that nothing but its own buttons, or what it waits for, ends. */

import { useLayoutEffect, useRef } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { Dialog } from "@shared/parts";

export function Firm({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <Dialog title={title} alert>
      <Reopened />
      {children}
    </Dialog>
  );
}

/** A browser lets a page keep a dialog open on the first Escape, or step back on a phone, and not on the second. */
function Reopened() {
  const mark = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    const dialog = mark.current?.closest("dialog");
    const reopen = () => {
      if (dialog?.isConnected && !dialog.open) dialog.showModal();
    };
    dialog?.addEventListener("close", reopen);
    return () => dialog?.removeEventListener("close", reopen);
  }, []);
  return <span ref={mark} hidden />;
}
