/** What every page is made of: a heading with who is signed in, a sign-in form, fields, dialogs, notices. */

import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren, JSX } from "preact";
import { saying, signIn, type SignedIn } from "./api";

/** What helps to fill in a field, which names it by `aria-describedby`. */
export function Hint({ of, children }: { of: string; children: ComponentChildren }) {
  if (!children) return null;
  return (
    <small id={`${of}-hint`} class="quiet">
      {children}
    </small>
  );
}

export function Field({
  label,
  hint,
  ...input
}: { label: string; hint?: string } & JSX.InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input id={id} aria-describedby={hint && `${id}-hint`} {...input} />
      <Hint of={id}>{hint}</Hint>
    </div>
  );
}

/** Said at once to who cannot see it. */
export function Problem({ children }: { children: ComponentChildren }) {
  return (
    <p class="problem" role="alert" hidden={!children}>
      {children}
    </p>
  );
}

/** A form that works while it works, and says what went wrong. */
export function Form({
  submit,
  children,
  action,
  danger,
  cancel,
}: {
  submit: (values: FormData) => Promise<void> | void;
  children?: ComponentChildren;
  action: string;
  danger?: boolean;
  cancel?: () => void;
}) {
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const onSubmit = async (event: JSX.TargetedSubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (busy) return;
    const values = new FormData(event.currentTarget);
    setBusy(true);
    setProblem("");
    try {
      await submit(values);
    } catch (error) {
      setProblem(saying(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={onSubmit}>
      {children}
      <Problem>{problem}</Problem>
      <div class="actions">
        <button class={danger ? "danger" : "primary"} aria-disabled={busy}>
          {action}
        </button>
        {cancel && (
          <button type="button" onClick={cancel}>
            Cancel
          </button>
        )}
      </div>
    </form>
  );
}

/** A modal dialog: the browser keeps the focus in it and gives it back. `close` is called on Escape too. */
export function Dialog({
  title,
  close,
  alert,
  children,
}: {
  title: string;
  close?: () => void;
  /** It interrupts: read out as a whole at once. */
  alert?: boolean;
  children: ComponentChildren;
}) {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const before = document.activeElement;
    const shown = dialog.current;
    shown?.showModal();
    return () => {
      shown?.close(); // while it is open all else is inert, and takes no focus
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      role={alert ? "alertdialog" : undefined}
      aria-labelledby={`${id}-title`}
      aria-describedby={alert ? `${id}-body` : undefined}
      onCancel={(event) => {
        event.preventDefault();
        close?.();
      }}
    >
      <h2 id={`${id}-title`}>{title}</h2>
      <div id={`${id}-body`}>{children}</div>
    </dialog>
  );
}

export function SignIn({
  title,
  about,
  done,
  children,
}: {
  title: string;
  about: string;
  done: (who: SignedIn) => void;
  children?: ComponentChildren;
}) {
  return (
    <main class="narrow">
      <h1>{title}</h1>
      <p>{about}</p>
      <Form
        action="Sign in"
        submit={async (values) => done(await signIn(String(values.get("email")), String(values.get("password"))))}
      >
        <Field label="E-mail" name="email" type="email" autocomplete="username" required />
        <Field label="Password" name="password" type="password" autocomplete="current-password" required />
      </Form>
      {children}
    </main>
  );
}
