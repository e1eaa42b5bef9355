/** A proctor's judgement of a session, which can be changed; each one is in the record. */

import { useState } from "preact/hooks";
import type { ProctoringSession } from "@client/protocol";
import { Field, Form } from "@shared/parts";
import type { RoomModel } from "./model";
import { VERDICTS } from "./words";

type Verdict = NonNullable<ProctoringSession["verdict"]>;

export function Review({ model, session }: { model: RoomModel; session: ProctoringSession }) {
  const [said, setSaid] = useState("");
  const { verdict } = session;
  return (
    <details class="review">
      <summary>Review: {VERDICTS[verdict ?? "UNREVIEWED"]}</summary>
      <Form
        action="Save the review"
        submit={async (values) => {
          const note = String(values.get("note") ?? "").trim();
          await model.client.review(session.id, values.get("verdict") as Verdict, note || undefined);
          setSaid("Saved.");
        }}
      >
        <fieldset>
          <legend>Verdict</legend>
          {Object.entries(VERDICTS).map(([value, name]) => (
            <label key={value}>
              <input type="radio" name="verdict" value={value} defaultChecked={value === (verdict ?? "UNREVIEWED")} /> {name}
            </label>
          ))}
        </fieldset>
        <Field label="Note (optional)" name="note" maxLength={2000} autocomplete="off" />
      </Form>
      <p role="status" class="quiet">
        {said}
      </p>
    </details>
  );
}
