/** Making an account, and changing one. */

import { useState } from "preact/hooks";
import type { Api, Role, User } from "@shared/api";
import { Dialog, Field, Form } from "@shared/parts";
import { useSay } from "./Announcer";
import { Choice, filledIn } from "./fields";
import { makePassword, SHORTEST } from "./making";
import type { Organisation } from "./organisation";
import { Secret } from "./Secret";
import { GIVEN, ROLES } from "./words";

const ROLE_CHOICES = GIVEN.map((role) => [role, ROLES[role]] as const);

export function NewUser({
  api,
  who,
  organisations,
  made,
  close,
}: {
  api: Api;
  who: User;
  /** Among which sales chooses. */
  organisations: Organisation[];
  made: (user: User) => void;
  close: () => void;
}) {
  const [done, setDone] = useState<{ user: User; password: string } | null>(null);
  const say = useSay();
  const sales = who.role === "SALES";
  const submit = async (values: FormData) => {
    const given = String(values.get("password"));
    const password = given || makePassword();
    const user = await api.post<User>("/routes/users", {
      name: filledIn(values, "name", "The name"),
      email: filledIn(values, "email", "The e-mail address"),
      role: sales ? "ADMIN" : values.get("role"),
      organisationId: sales ? values.get("organisation") : who.organisationId,
      password,
    });
    made(user);
    say(`${user.name} is made.`);
    if (given) close();
    else setDone({ user, password });
  };
  if (done) {
    return (
      <Dialog key="done" title={`${done.user.name} is made`} close={close} alert>
        <Secret password={done.password} of={done.user.email} close={close} />
      </Dialog>
    );
  }
  return (
    <Dialog key="make" title={sales ? "New administrator" : "New user"} close={close}>
      <Form action="Make the account" submit={submit} cancel={close}>
        <Identity />
        {sales ? (
          <Choice
            label="Organisation"
            name="organisation"
            chosen={organisations[0]?.id}
            choices={organisations.map(({ id, name }) => [id, name] as const)}
          />
        ) : (
          <Choice label="Role" name="role" chosen="STUDENT" choices={ROLE_CHOICES} />
        )}
        <Field
          label="Password"
          name="password"
          type="password"
          autocomplete="new-password"
          minLength={SHORTEST}
          hint={`At least ${SHORTEST} characters. Leave it empty to have one made, which is then shown to you once.`}
        />
      </Form>
    </Dialog>
  );
}

export function EditUser({
  api,
  who,
  user,
  saved,
  close,
}: {
  api: Api;
  who: User;
  user: User;
  saved: (user: User) => void;
  close: () => void;
}) {
  const own = user.id === who.id;
  const administers = who.role === "ADMIN";
  const submit = async (values: FormData) => {
    const changes: Partial<User> = { name: filledIn(values, "name", "The name") };
    const email = values.has("email") ? filledIn(values, "email", "The e-mail address") : user.email;
    const role = (values.get("role") ?? user.role) as Role;
    if (email !== user.email) changes.email = email;
    if (role !== user.role) changes.role = role;
    saved(await api.put<User>(`/routes/users/${user.id}`, changes));
  };
  return (
    <Dialog title={`Edit ${user.name}`} close={close}>
      <Form action="Save" submit={submit} cancel={close}>
        <Identity user={user} onlyName={own && !administers} />
        {administers && !own && (
          <Choice
            label="Role"
            name="role"
            chosen={user.role}
            choices={ROLE_CHOICES}
            hint="Who is given another role is signed out, and signs in again."
          />
        )}
        {administers && own && <p class="quiet">Another administrator can change your role.</p>}
      </Form>
    </Dialog>
  );
}

function Identity({ user, onlyName }: { user?: User; onlyName?: boolean }) {
  return (
    <>
      <Field label="Name" name="name" required maxLength={200} defaultValue={user?.name} autocomplete="off" />
      {!onlyName && (
        <Field
          label="E-mail"
          name="email"
          type="email"
          required
          maxLength={254}
          defaultValue={user?.email}
          autocomplete="off"
        />
      )}
    </>
  );
}
