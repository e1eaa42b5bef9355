/** What a proctor does to one student, or to all: each asks for what it needs before it is done. */

import { useState } from "preact/hooks";
import { isOver } from "@client/exam";
import type { ProctoringSession } from "@client/protocol";
import type { Role } from "@shared/api";
import { Dialog, Field, Form } from "@shared/parts";
import type { RoomModel } from "./model";

export type Action = "admit" | "deny" | "warn" | "pause" | "resume" | "extend" | "terminate" | "reinstate";

interface Step {
  name: string;
  /** What is asked, and as which field of the command. */
  asks?: { field: "reason" | "text"; label: string; optional?: boolean };
  minutes?: boolean;
  says?: string;
  danger?: boolean;
}

export const STEPS: Record<Action, Step> = {
  admit: { name: "Let in" },
  deny: { name: "Do not let in", asks: { field: "reason", label: "Reason (the student reads it)", optional: true }, danger: true },
  warn: { name: "Warn", asks: { field: "text", label: "Warning (the student has to confirm it)" } },
  pause: { name: "Pause", asks: { field: "reason", label: "Reason (the student reads it)" }, says: "The clock stands still until you resume." },
  resume: { name: "Resume" },
  extend: { name: "Give time", asks: { field: "reason", label: "Reason (the student reads it)" }, minutes: true },
  terminate: { name: "End", asks: { field: "reason", label: "Reason (the student reads it)" }, says: "This ends the exam.", danger: true },
  reinstate: { name: "Reinstate", asks: { field: "reason", label: "Reason (the student reads it)" }, says: "The time since the end is given back; the exam is paused until you resume." },
};

/** What fits a session in its status. */
function fitting(session: ProctoringSession, role: Role): Action[] {
  if (session.status === "WAITING") return ["admit", "deny", "warn"];
  if (session.status === "ACTIVE") return ["warn", "pause", "extend", "terminate"];
  if (session.status === "PAUSED") return ["resume", "warn", "extend", "terminate"];
  return isOver(session.status) && session.status !== "DENIED" && role === "ADMIN" ? ["reinstate"] : [];
}

export function Actions({ model, session, role }: { model: RoomModel; session: ProctoringSession; role: Role }) {
  const [asked, setAsked] = useState<Action | null>(null);
  const [said, setSaid] = useState("");
  const { name } = session.user;
  return (
    <div class="actions">
      {fitting(session, role).map((action) => (
        <button key={action} class={STEPS[action].danger ? "danger" : undefined} onClick={() => setAsked(action)}>
          {STEPS[action].name}
        </button>
      ))}
      {session.hand && (
        <button onClick={() => void model.client.lowerHand(session.id).catch(() => setSaid("That did not work."))}>
          Lower hand
        </button>
      )}
      <span role="status" class="quiet">
        {said}
      </span>
      {asked && (
        <Ask
          action={asked}
          whom={name}
          close={() => setAsked(null)}
          give={async (fields) => {
            await model.command({ action: asked, sessionId: session.id, ...fields });
            setSaid(`Done: ${STEPS[asked].name.toLowerCase()}.`);
          }}
        />
      )}
    </div>
  );
}

/** Asks for what a command needs, or only whether it is meant. */
export function Ask({
  action,
  whom,
  give,
  close,
}: {
  action: Action;
  whom: string;
  give: (fields: { reason?: string; text?: string; minutes?: number }) => Promise<void>;
  close: () => void;
}) {
  const { name, asks, minutes, says, danger } = STEPS[action];
  return (
    <Dialog title={`${name}: ${whom}`} close={close}>
      <Form
        action={name}
        danger={danger ?? false}
        cancel={close}
        submit={async (values) => {
          const said = String(values.get("said") ?? "").trim();
          await give({
            ...(asks && said && { [asks.field]: said }),
            ...(minutes && { minutes: Number(values.get("minutes")) }),
          });
          close();
        }}
      >
        {says && <p>{says}</p>}
        {minutes && <Field label="Minutes" name="minutes" type="number" min="1" max="600" value="10" required />}
        {asks && <Field label={asks.label} name="said" maxLength={2000} required={!asks.optional} autocomplete="off" />}
      </Form>
    </Dialog>
  );
}
