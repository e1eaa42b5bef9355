/** Finds one person among thousands: a few letters of the name, then a button. */

import { useRef, useState } from "preact/hooks";
import type { User } from "@shared/api";
import { Field } from "@shared/parts";
import { matching } from "./people";
import { count } from "./words";

const MOST_SHOWN = 8;

export function PersonSearch({
  label,
  action,
  people,
  choose,
}: {
  label: string;
  action: string;
  people: User[];
  choose: (one: User) => void;
}) {
  const [text, setText] = useState("");
  const place = useRef<HTMLDivElement>(null);
  const found = text.trim() ? matching(people, text) : [];
  const take = (one: User) => {
    choose(one);
    setText("");
    place.current?.querySelector("input")?.focus();
  };
  return (
    <div ref={place}>
      <Field
        label={label}
        type="search"
        autocomplete="off"
        hint="Type a part of the name or e-mail address."
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault(); // it would send the form around it
          if (found.length === 1) take(found[0]!);
        }}
      />
      <p role="status" class="quiet">
        {text.trim() && count(found.length, "match", "matches")}
        {found.length > MOST_SHOWN && `, of which the first ${MOST_SHOWN} are shown: type more of the name`}
      </p>
      <ul class="rows">
        {found.slice(0, MOST_SHOWN).map((one) => (
          <li key={one.id}>
            <span>
              {one.name} <span class="quiet">{one.email}</span>
            </span>
            <button type="button" onClick={() => take(one)}>
              {action}
              <span class="hidden-visually"> {one.name}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
