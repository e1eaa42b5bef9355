/** A new password for a student, shown once: for the one who forgot it at five to nine. */

import { useState } from "preact/hooks";
import type { Api } from "@shared/api";
import { Dialog, Form } from "@shared/parts";

export function NewPassword({ api, userId, name }: { api: Api; userId: string; name: string }) {
  const [open, setOpen] = useState(false);
  const [made, setMade] = useState("");
  const close = () => {
    setOpen(false);
    setMade("");
  };
  return (
    <>
      <button onClick={() => setOpen(true)} aria-label={`New password for ${name}`}>
        New password
      </button>
      {open && (
        <Dialog title={`New password for ${name}`} close={close}>
          {made ? (
            <>
              <p>It is shown only now. The old one does not work any more.</p>
              <p class="password">
                <code>{made}</code>
              </p>
              <div class="actions">
                <button class="primary" onClick={close}>
                  Done
                </button>
              </div>
            </>
          ) : (
            <Form
              action="Make a new password"
              cancel={close}
              submit={async () => {
                const { password } = await api.post<{ password: string }>(`/routes/users/${userId}/password`);
                setMade(password);
              }}
            >
              <p>
                Make sure that it is {name} who asks. They are signed out wherever they are signed in, and sign in again
                with the new password; a running exam goes on.
              </p>
            </Form>
          )}
        </Dialog>
      )}
    </>
  );
}
