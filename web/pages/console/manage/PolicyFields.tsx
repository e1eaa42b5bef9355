/** What an exam decides beforehand, so that nobody has to decide it in the heat of the moment. */

import { useState } from "preact/hooks";
import type { Policy } from "@client/protocol";
import { Field } from "@shared/parts";
import { Check, Choice } from "./fields";

export const MOST_MINUTES = 7 * 24 * 60;
const MOST_CHANGES = 10_000;
const SUGGESTED_CHANGES = 3;

const ADMISSION = [
  ["open", "Each student starts at once"],
  ["proctor", "Each student waits until a proctor lets them in"],
] as const;

const PAST_THE_LIMIT = [
  ["flag", "Mark it for the proctors; the exam goes on"],
  ["pause", "Pause the student’s exam until a proctor resumes it"],
  ["terminate", "End the student’s exam"],
] as const;

export function PolicyFields({ policy }: { policy: Policy }) {
  const [noLimit, setNoLimit] = useState((policy.tabChangeLimit ?? null) === null);
  return (
    <fieldset>
      <legend>Rules</legend>
      <Choice
        label="When a student opens the exam"
        name="admission"
        choices={ADMISSION}
        chosen={policy.admission ?? "open"}
        hint="Waiting costs no exam time: the clock starts when they are let in."
      />
      <Check
        label="No limit to leaving the exam’s page"
        name="noLimit"
        checked={noLimit}
        onChange={(event) => setNoLimit(event.currentTarget.checked)}
        hint="Every change to another tab or window is recorded and shown to proctors, with a limit or without."
      />
      <div class="beside" hidden={noLimit}>
        <Field
          label="Times a student may leave the exam’s page"
          name="tabChangeLimit"
          type="number"
          min={0}
          max={MOST_CHANGES}
          required
          disabled={noLimit}
          defaultValue={policy.tabChangeLimit ?? SUGGESTED_CHANGES}
          hint="The next time after these is one too many. With 0, the first is."
        />
        <Choice
          label="What happens when it is one too many"
          name="onTabChangeLimit"
          choices={PAST_THE_LIMIT}
          chosen={policy.onTabChangeLimit ?? "flag"}
          hint="A paused student gets the time back. Only an administrator can reopen an exam that was ended."
        />
      </div>
      <Field
        label="Minutes given back after a lost connection, at most"
        name="outageCreditMaxMinutes"
        type="number"
        min={0}
        max={MOST_MINUTES}
        required
        defaultValue={policy.outageCreditMaxMinutes ?? 0}
        hint="Time that a student could not be reached is added to their exam by itself, up to this. With 0, none is."
      />
    </fieldset>
  );
}

export function readPolicy(values: FormData): Policy {
  const limit = values.get("tabChangeLimit"); // not there while its field is switched off
  return {
    admission: values.get("admission") as NonNullable<Policy["admission"]>,
    tabChangeLimit: limit === null ? null : Number(limit),
    onTabChangeLimit: values.get("onTabChangeLimit") as NonNullable<Policy["onTabChangeLimit"]>,
    outageCreditMaxMinutes: Number(values.get("outageCreditMaxMinutes")),
  };
}
