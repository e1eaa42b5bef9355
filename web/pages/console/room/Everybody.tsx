/** What is said or done to everybody in the exam at once. */

import { useState } from "preact/hooks";
import { Dialog, Field, Form } from "@shared/parts";
import { Ask, STEPS, type Action } from "./Actions";
import type { RoomModel, Row } from "./model";

const FITS: Partial<Record<Action, string[]>> = {
  admit: ["WAITING"],
  warn: ["WAITING", "ACTIVE", "PAUSED"],
  pause: ["ACTIVE"],
  resume: ["PAUSED"],
  extend: ["ACTIVE", "PAUSED"],
  terminate: ["WAITING", "ACTIVE", "PAUSED"],
};

export function Everybody({ model, rows }: { model: RoomModel; rows: Row[] }) {
  const [open, setOpen] = useState(false);
  const [asked, setAsked] = useState<Action | null>(null);
  const [said, setSaid] = useState("");
  const count = (action: Action) => rows.filter(({ session }) => FITS[action]?.includes(session.status)).length;
  const whom = (action: Action) => `${count(action)} student${count(action) === 1 ? "" : "s"}`;
  const done = (text: string) => {
    setSaid(text);
    setOpen(false);
  };
  const waiting = count("admit");
  return (
    <div class="everybody">
      <span role="status" class="quiet">
        {said}
      </span>
      {waiting > 0 && (
        <button class="primary" onClick={() => setAsked("admit")}>
          Let all {waiting} in
        </button>
      )}
      <button onClick={() => setOpen(true)}>To everybody…</button>
      {open && (
        <Dialog title="To everybody in this exam" close={() => setOpen(false)}>
          <Form
            action="Send to all"
            submit={async (values) => {
              await model.client.chat(String(values.get("text")).trim());
              done("Sent to all.");
            }}
          >
            <Field label="Message" name="text" maxLength={2000} autocomplete="off" required />
          </Form>
          <h3>Or</h3>
          <div class="actions">
            {(Object.keys(FITS) as Action[])
              .filter((action) => count(action) > 0)
              .map((action) => (
                <button key={action} class={STEPS[action].danger ? "danger" : undefined} onClick={() => setAsked(action)}>
                  {STEPS[action].name}: {whom(action)}
                </button>
              ))}
            <button onClick={() => setOpen(false)}>Close</button>
          </div>
        </Dialog>
      )}
      {asked && (
        <Ask
          action={asked}
          whom={whom(asked)}
          close={() => setAsked(null)}
          give={async (fields) => {
            const { length } = await model.command({ action: asked, ...fields });
            done(`${STEPS[asked].name}: ${length} student${length === 1 ? "" : "s"}.`);
          }}
        />
      )}
    </div>
  );
}
