/** Who has more time, and how much. */

import { useId } from "preact/hooks";
import type { Accommodation } from "@client/protocol";
import type { User } from "@shared/api";
import { useRefocus } from "./Heading";
import { PersonSearch } from "./PersonSearch";
import { MOST_MINUTES } from "./PolicyFields";

const SUGGESTED_MINUTES = 15;

export function Accommodations({
  students,
  extra,
  change,
}: {
  students: User[];
  extra: Accommodation[];
  change: (extra: Accommodation[]) => void;
}) {
  const id = useId();
  const [legend, refocus] = useRefocus<HTMLLegendElement>();
  const names = new Map(students.map((one) => [one.id, one]));
  const has = new Set(extra.map(({ userId }) => userId));
  return (
    <fieldset>
      <legend ref={legend} tabIndex={-1}>
        Extra time
      </legend>
      {extra.length === 0 && <p class="quiet">Nobody has extra time.</p>}
      <ul class="rows">
        {extra.map(({ userId, extraMinutes }) => (
          <li key={userId}>
            <label for={`${id}-${userId}`}>
              {names.get(userId)?.name} <span class="quiet">{names.get(userId)?.email}</span>
            </label>
            <span>
              <input
                id={`${id}-${userId}`}
                type="number"
                min={1}
                max={MOST_MINUTES}
                required
                value={extraMinutes || ""}
                aria-describedby={`${id}-unit`}
                onInput={({ currentTarget: { valueAsNumber } }) =>
                  change(
                    extra.map((one) => (one.userId === userId ? { userId, extraMinutes: valueAsNumber || 0 } : one)),
                  )
                }
              />{" "}
              minutes
            </span>
            <button
              type="button"
              onClick={() => {
                change(extra.filter((one) => one.userId !== userId));
                refocus();
              }}
            >
              Remove<span class="hidden-visually"> {names.get(userId)?.name}</span>
            </button>
          </li>
        ))}
      </ul>
      <span id={`${id}-unit`} hidden>
        Extra minutes
      </span>
      <PersonSearch
        label="Give extra time to"
        action="Add"
        people={students.filter((one) => !has.has(one.id))}
        choose={(one) => change([...extra, { userId: one.id, extraMinutes: SUGGESTED_MINUTES }])}
      />
    </fieldset>
  );
}
