/** The people who match a search, each with a tick. No more than a hundred are drawn, however many there are. */

import { useMemo, useState } from "preact/hooks";
import type { User } from "@shared/api";
import { Field } from "@shared/parts";
import { Choice } from "./fields";
import { matching } from "./people";
import { count, ROLES } from "./words";

const MOST_SHOWN = 100;

const SHOW = [
  ["", "Students and proctors"],
  ["STUDENT", "Students"],
  ["PROCTOR", "Proctors"],
  ["assigned", "Who is assigned"],
  ["others", "Who is not assigned"],
] as const;

type Show = (typeof SHOW)[number][0];

export function Ticks({
  people,
  chosen,
  add,
  remove,
}: {
  people: User[];
  chosen: ReadonlySet<string>;
  add: (some: User[]) => void;
  remove: (some: User[]) => void;
}) {
  const [text, setText] = useState("");
  const [show, setShow] = useState<Show>("");
  // Who is ticked or unticked stays in sight, and keeps the focus, until something else is looked for.
  const before = useMemo(() => chosen, [text, show]);
  const found = matching(people, text).filter(({ id, role }) => {
    if (show === "assigned" || show === "others") return before.has(id) === (show === "assigned");
    return !show || role === show;
  });
  const students = found.filter(({ id, role }) => role === "STUDENT" && !chosen.has(id));
  const assigned = found.filter(({ id }) => chosen.has(id));
  const more = found.length - MOST_SHOWN;
  return (
    <>
      <div class="beside">
        <Field
          label="Search people"
          type="search"
          autocomplete="off"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          hint="A part of the name or e-mail address."
        />
        <Choice label="Show" chosen={show} choices={SHOW} choose={setShow} />
      </div>
      <div class="actions">
        <button type="button" aria-disabled={!students.length} onClick={() => add(students)}>
          Assign all students that match ({students.length.toLocaleString("en")})
        </button>
        <button type="button" aria-disabled={!assigned.length} onClick={() => remove(assigned)}>
          Remove all that match ({assigned.length.toLocaleString("en")})
        </button>
      </div>
      <fieldset class="ticks">
        <legend>
          {count(found.length, "person matches", "people match")}
          {more > 0 && `; the first ${MOST_SHOWN} are shown`}
        </legend>
        <ul>
          {found.slice(0, MOST_SHOWN).map((one) => (
            <li key={one.id}>
              <label>
                <input
                  type="checkbox"
                  checked={chosen.has(one.id)}
                  onChange={({ currentTarget: { checked } }) => (checked ? add([one]) : remove([one]))}
                />{" "}
                {one.name} <span class="quiet">{one.email}</span>
                {one.role === "PROCTOR" && ` · ${ROLES.PROCTOR}`}
              </label>
            </li>
          ))}
        </ul>
        {more > 0 && (
          <p class="quiet">{count(more, "more matches", "more match")}: type more of the name to see them.</p>
        )}
      </fieldset>
    </>
  );
}
