/** How an exam is held. Only what was changed is sent, so that two who edit different things do not undo each other. */

import { useState } from "preact/hooks";
import type { Accommodation, Exam } from "@client/protocol";
import type { User } from "@shared/api";
import { Field, Form } from "@shared/parts";
import { fromLocalInput, toLocalInput } from "@shared/time";
import { Accommodations } from "./Accommodations";
import { Check, filledIn, refuse } from "./fields";
import { MOST_MINUTES, PolicyFields, readPolicy } from "./PolicyFields";
import { zone } from "./words";

export function ExamForm({
  exam,
  students,
  save,
}: {
  exam: Exam | null;
  students: User[];
  save: (fields: Partial<Exam>) => Promise<void>;
}) {
  const [extra, setExtra] = useState<Accommodation[]>(() => {
    // Who is no student any more has no extra time either, and the server takes none for them.
    const known = new Set(students.map(({ id }) => id));
    return (exam?.accommodations ?? []).filter(({ userId }) => known.has(userId));
  });
  const submit = (values: FormData) => save(changed(exam, { ...read(values, exam), accommodations: extra }));
  const inZone = `In your time zone, ${zone()}. Leave it empty for no limit.`;
  return (
    <Form action={exam ? "Save exam" : "Make exam"} submit={submit}>
      <Field label="Title" name="title" defaultValue={exam?.title} required maxLength={200} />
      <div class="beside">
        <Field
          label="Duration in minutes"
          name="duration"
          type="number"
          min={1}
          max={MOST_MINUTES}
          required
          defaultValue={exam?.duration}
          hint="How long each student has, from their own start."
        />
        <Field
          label="Opens"
          name="startsAt"
          type="datetime-local"
          defaultValue={toLocalInput(exam?.startsAt ?? null)}
          hint={inZone}
        />
        <Field
          label="Closes"
          name="endsAt"
          type="datetime-local"
          defaultValue={toLocalInput(exam?.endsAt ?? null)}
          hint={inZone}
        />
      </div>
      <Check
        label="This is a rehearsal"
        name="rehearsal"
        defaultChecked={exam?.rehearsal ?? false}
        hint="For trying things out: a rehearsal can be deleted with all that happened in it, an exam that was started cannot. It cannot be changed once somebody has started."
      />
      <PolicyFields policy={exam?.policy ?? {}} />
      <Accommodations students={students} extra={extra} change={setExtra} />
    </Form>
  );
}

type Fields = Pick<Exam, "title" | "duration" | "startsAt" | "endsAt" | "rehearsal" | "policy">;

function read(values: FormData, exam: Exam | null): Fields {
  const startsAt = time(values, "startsAt", exam);
  const endsAt = time(values, "endsAt", exam);
  if (startsAt && endsAt && Date.parse(endsAt) <= Date.parse(startsAt)) {
    refuse("The exam must close after it opens.");
  }
  return {
    title: filledIn(values, "title", "The title"),
    duration: Number(values.get("duration")),
    startsAt,
    endsAt,
    rehearsal: values.has("rehearsal"),
    policy: readPolicy(values),
  };
}

/** What the field holds; where it was not touched the time itself, as the field has no seconds. */
function time(values: FormData, name: "startsAt" | "endsAt", exam: Exam | null): string | null {
  const value = String(values.get(name) ?? "");
  const before = exam?.[name] ?? null;
  return value === toLocalInput(before) ? before : fromLocalInput(value);
}

function changed(before: Exam | null, after: Partial<Exam>): Partial<Exam> {
  if (!before) return after;
  const entries = Object.entries(after) as [keyof Exam, unknown][];
  return Object.fromEntries(entries.filter(([name, value]) => !same(before[name], value)));
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(inOrder(a)) === JSON.stringify(inOrder(b));
}

/** An object with its fields in order of name; the server's order is its own. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (value === null || typeof value !== "object") return value;
  return Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
