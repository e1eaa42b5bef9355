/** Asks before something is gone. */

import type { ComponentChildren } from "preact";
import { ProctoringError } from "@client/errors";
import { Dialog, Form } from "@shared/parts";

export function Confirm({
  title,
  action,
  act,
  close,
  conflict,
  children,
}: {
  title: string;
  action: string;
  act: () => Promise<void> | void;
  close: () => void;
  /** Where the state does not allow it: what the reader can do instead. */
  conflict?: string;
  children: ComponentChildren;
}) {
  const submit = async () => {
    try {
      await act();
    } catch (error) {
      if (!conflict || !(error instanceof ProctoringError) || error.code !== "conflict") throw error;
      throw new ProctoringError("conflict", `${error.message} ${conflict}`, error.details);
    }
  };
  return (
    <Dialog title={title} close={close} alert>
      <Form action={action} danger cancel={close} submit={submit}>
        {/* Has the focus first: a key that is still held from opening the dialog must not confirm it. */}
        <div class="asked" tabIndex={-1} autofocus>
          {children}
        </div>
      </Form>
    </Dialog>
  );
}
