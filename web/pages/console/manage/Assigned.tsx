/** Who takes part in an exam: chosen from thousands by searching, ticking and pasting, and saved together. */

import { useMemo, useState } from "preact/hooks";
import type { User } from "@shared/api";
import { Form } from "@shared/parts";
import { Addresses } from "./Addresses";
import { useSay } from "./Announcer";
import { assignable, outcome, wishing, type Wishes } from "./assigning";
import { useRefocus } from "./Heading";
import { Ticks } from "./Ticks";
import { count } from "./words";

const NONE: Wishes = new Map();

export function Assigned({
  people,
  assigned,
  save,
}: {
  people: User[];
  assigned: string[];
  save: (add: string[], remove: string[]) => Promise<void>;
}) {
  const eligible = useMemo(() => people.filter(assignable), [people]);
  const [wishes, setWishes] = useState<Wishes>(NONE);
  const { chosen, added, removed } = useMemo(
    () => outcome(eligible, new Set(assigned), wishes),
    [eligible, assigned, wishes],
  );
  const [heading, refocus] = useRefocus<HTMLHeadingElement>();
  const say = useSay();
  const number = (role: User["role"]) => eligible.filter((one) => one.role === role && chosen.has(one.id)).length;
  const changed = added.length + removed.length > 0;
  const discard = () => {
    setWishes(NONE);
    refocus();
  };
  const submit = async () => {
    await save(added, removed);
    setWishes(NONE);
    say(`${count(added.length, "person", "people")} assigned, ${removed.length} removed.`);
    refocus();
  };
  return (
    <section aria-labelledby="assigned-heading">
      <h2 id="assigned-heading" ref={heading} tabIndex={-1}>
        Assigned students and proctors
      </h2>
      <p role="status">
        {count(number("STUDENT"), "student")} and {count(number("PROCTOR"), "proctor")} are assigned
        {changed ? `; not saved yet: ${added.length} added, ${removed.length} removed.` : "."}
      </p>
      <Ticks
        people={eligible}
        chosen={chosen}
        add={(some) => setWishes(wishing(wishes, some, true))}
        remove={(some) => setWishes(wishing(wishes, some, false))}
      />
      <Addresses people={people} add={(some) => setWishes(wishing(wishes, some, true))} chosen={chosen} />
      {changed && (
        <Form action="Save who is assigned" submit={submit} cancel={discard}>
          {removed.length > 0 && (
            <p class="notice">
              Who is removed loses access to the exam at once, also while taking part in it or watching it.
            </p>
          )}
        </Form>
      )}
    </section>
  );
}
