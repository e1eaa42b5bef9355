/** What interrupts the exam and has to be read: a pause, warnings, and that it was ended. */

import type { Command } from "@client/index";
import { Dialog } from "@shared/parts";
import { Chat } from "./Chat";
import { Connection } from "./Bar";
import { Firm } from "./Firm";
import { Hand } from "./Hand";
import type { Taking } from "./taking";

export function Interruptions({ taking }: { taking: Taking }) {
  const [first] = taking.unread.value;
  const paused = taking.session.value?.status === "PAUSED" && !taking.stopped.value;
  return (
    <>
      {paused && <Paused taking={taking} />}
      {first && <Told key={first.id} command={first} read={() => taking.read(first)} />}
    </>
  );
}

function Paused({ taking }: { taking: Taking }) {
  const reason = taking.reason.value;
  return (
    <Firm title="The exam is paused">
      <p>{reason ? <Reason text={reason} /> : "A proctor, or a rule of this exam, has paused it for you."}</p>
      <p>
        Your time stands still, and you get it back in full. The exam goes on by itself as soon as a proctor lets it:
        keep this page open.
      </p>
      <Connection taking={taking} />
      <Hand taking={taking} />
      <Chat talk={taking.talk} latest={3} />
    </Firm>
  );
}

function Told({ command, read }: { command: Command; read: () => void }) {
  const { action, text, reason } = command;
  const close = () => {
    read();
    // Where it was opened over may be gone by now: then on to the page's heading.
    requestAnimationFrame(() => {
      if (document.activeElement === document.body) document.querySelector<HTMLElement>("h1")?.focus();
    });
  };
  return (
    <Dialog title={TITLES[action] ?? "A message"} alert close={close}>
      {text && <p class="told">{text}</p>}
      {action !== "warn" && (
        <p>{reason ? <Reason text={reason} /> : "No reason was given. You can ask the proctor in the room."}</p>
      )}
      <div class="actions">
        <button class="primary" onClick={close}>
          I have read this
        </button>
      </div>
    </Dialog>
  );
}

const TITLES: Partial<Record<Command["action"], string>> = {
  warn: "A proctor warns you",
  deny: "You were not let in",
  terminate: "The exam was ended for you",
};

export function Reason({ text }: { text: string }) {
  return (
    <>
      Reason: <strong class="told">{text}</strong>
    </>
  );
}
