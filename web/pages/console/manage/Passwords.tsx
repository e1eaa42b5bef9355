/** A new password for somebody who forgot theirs, and one's own. */

import { useState } from "preact/hooks";
import type { Api, User } from "@shared/api";
import { Dialog, Field, Form } from "@shared/parts";
import { refuse } from "./fields";
import { SHORTEST } from "./making";
import { Secret } from "./Secret";

interface Given {
  api: Api;
  user: User;
  close: () => void;
}

export function GivePassword({ api, user, close }: Given) {
  const [password, setPassword] = useState("");
  const give = async () => {
    setPassword((await api.post<{ password: string }>(`/routes/users/${user.id}/password`)).password);
  };
  const title = `New password for ${user.name}`;
  if (password) {
    return (
      <Dialog key="made" title={title} close={close} alert>
        <Secret password={password} of={user.email} close={close} />
      </Dialog>
    );
  }
  return (
    <Dialog key="ask" title={title} close={close}>
      <Form action="Give a new password" submit={give} cancel={close}>
        <p>
          A new password is made and shown to you once. The old one stops working, and {user.name} is signed out
          everywhere and signs in again. A running exam goes on.
        </p>
      </Form>
    </Dialog>
  );
}

export function OwnPassword({ api, user, close }: Given) {
  const [changed, setChanged] = useState(false);
  const change = async (values: FormData) => {
    const password = String(values.get("password"));
    if (password !== values.get("again")) refuse("The two new passwords are not the same.");
    await api.put(`/routes/users/${user.id}`, { password, currentPassword: String(values.get("current")) });
    setChanged(true);
  };
  // The old password's sign-in is over: whatever is asked next shows the form for signing in.
  const signInAgain = () => void api.get("/routes/auth/me").catch(close);
  if (changed) {
    return (
      <Dialog key="changed" title="Your password is changed" close={signInAgain} alert>
        <p>Sign in again with the new one.</p>
        <div class="actions">
          <button class="primary" onClick={signInAgain}>
            Sign in again
          </button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog key="change" title="Change my password" close={close}>
      <Form action="Change my password" submit={change} cancel={close}>
        <Field label="Current password" name="current" type="password" autocomplete="current-password" required />
        <Field
          label="New password"
          name="password"
          type="password"
          autocomplete="new-password"
          minLength={SHORTEST}
          required
          hint={`At least ${SHORTEST} characters.`}
        />
        <Field label="New password again" name="again" type="password" autocomplete="new-password" required />
        <p class="quiet">You are signed out everywhere, and sign in again with the new password.</p>
      </Form>
    </Dialog>
  );
}
