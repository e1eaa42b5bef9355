/** The fields that the shared parts do not have, and reading what was filled in. */

import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";
import { ProctoringError } from "@client/errors";
import { Hint } from "@shared/parts";

/** A tick box with what it means. */
export function Check({
  label,
  hint,
  ...input
}: { label: string; hint?: string } & JSX.InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <div class="check">
      <input id={id} type="checkbox" aria-describedby={hint && `${id}-hint`} {...input} />
      <label for={id}>{label}</label>
      <Hint of={id}>{hint}</Hint>
    </div>
  );
}

/** One of several. */
export function Choice<T extends string>({
  label,
  hint,
  name,
  chosen,
  choices,
  choose,
}: {
  label: string;
  hint?: string;
  name?: string;
  chosen: T | undefined;
  choices: readonly (readonly [value: T, text: string])[];
  choose?: (value: T) => void;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        name={name}
        aria-describedby={hint && `${id}-hint`}
        onChange={(event) => choose?.(event.currentTarget.value as T)}
      >
        {choices.map(([value, text]) => (
          <option key={value} value={value} selected={value === chosen}>
            {text}
          </option>
        ))}
      </select>
      <Hint of={id}>{hint}</Hint>
    </div>
  );
}

export function TextArea({
  label,
  hint,
  ...area
}: { label: string; hint?: ComponentChildren } & JSX.TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea id={id} aria-describedby={hint ? `${id}-hint` : undefined} {...area} />
      <Hint of={id}>{hint}</Hint>
    </div>
  );
}

/** What was filled in, without the space around it; refused where nothing was. */
export function filledIn(values: FormData, name: string, what: string): string {
  const value = String(values.get(name) ?? "").trim();
  return value || refuse(`${what} is missing.`);
}

/** A refusal that a form shows as it is. */
export function refuse(message: string): never {
  throw new ProctoringError("invalid_payload", message);
}
