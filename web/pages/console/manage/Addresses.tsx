/** A list of e-mail addresses, as a registrar sends one, instead of a thousand ticks. */

import { useRef, useState } from "preact/hooks";
import type { User } from "@shared/api";
import { whose, type Pasted } from "./assigning";
import { TextArea } from "./fields";
import { count } from "./words";

export function Addresses({
  people,
  chosen,
  add,
}: {
  people: User[];
  chosen: ReadonlySet<string>;
  add: (some: User[]) => void;
}) {
  const [text, setText] = useState("");
  const [pasted, setPasted] = useState<(Pasted & { fresh: number }) | null>(null);
  const place = useRef<HTMLDivElement>(null);
  const take = () => {
    const all = whose(text, people);
    setPasted({ ...all, fresh: all.found.filter(({ id }) => !chosen.has(id)).length });
    add(all.found);
    // What was not understood stays, to be put right.
    setText([...all.unknown, ...all.others.map(({ email }) => email)].join("\n"));
    place.current?.querySelector("textarea")?.focus();
  };
  return (
    <div ref={place}>
      <TextArea
        label="Assign by e-mail address"
        hint="Paste any number of addresses, separated by spaces, commas, semicolons or line breaks."
        rows={3}
        spellcheck={false}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button type="button" aria-disabled={!text.trim()} onClick={() => text.trim() && take()}>
        Assign these addresses
      </button>
      <div role="status">{pasted && <Understood {...pasted} />}</div>
    </div>
  );
}

function Understood({ found, fresh, others, unknown }: Pasted & { fresh: number }) {
  if (!found.length && !others.length && !unknown.length) return <p>There is no e-mail address in this.</p>;
  return (
    <>
      <p>
        {count(fresh, "person", "people")} added{found.length > fresh && `, ${found.length - fresh} already assigned`}.
        {fresh > 0 && " Save them below."}
      </p>
      {unknown.length > 0 && (
        <p>
          {count(unknown.length, "address has", "addresses have")} no account here: {unknown.join(", ")}
        </p>
      )}
      {others.length > 0 && (
        <p>
          Only students and proctors are assigned, not administrators: {others.map(({ email }) => email).join(", ")}
        </p>
      )}
    </>
  );
}
