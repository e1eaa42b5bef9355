/** An organisation with its first administrator, without whom nobody could do anything in it. */

import { useState } from "preact/hooks";
import { saying, type Api, type User } from "@shared/api";
import { Dialog, Field, Form } from "@shared/parts";
import { useSay } from "./Announcer";
import { Check, filledIn, refuse } from "./fields";
import { makePassword } from "./making";
import type { Organisation } from "./organisation";
import { Secret } from "./Secret";

export function NewOrganisation({
  api,
  made,
  madeAdmin,
  close,
}: {
  api: Api;
  made: (one: Organisation) => void;
  madeAdmin: (admin: User) => void;
  close: () => void;
}) {
  // Once the organisation is there, only its administrator is tried again.
  const [there, setThere] = useState<Organisation | null>(null);
  const [done, setDone] = useState<{ admin: User; password: string } | null>(null);
  const say = useSay();
  const submit = async (values: FormData) => {
    const name = filledIn(values, "adminName", "The administrator’s name");
    const email = filledIn(values, "email", "The administrator’s e-mail address");
    const organisation = there ?? (await make(values));
    const password = makePassword();
    const user = { name, email, password, role: "ADMIN", organisationId: organisation.id };
    try {
      const admin = await api.post<User>("/routes/users", user);
      madeAdmin(admin);
      setDone({ admin, password });
      say(`${organisation.name} is made, with ${admin.name} as its administrator.`);
    } catch (error) {
      refuse(`${organisation.name} is made, but it has no administrator yet: ${saying(error)}`);
    }
  };
  const make = async (values: FormData) => {
    const organisation = await api.post<Organisation>("/routes/organisations", {
      name: filledIn(values, "name", "The organisation’s name"),
      selfRegistration: values.has("selfRegistration"),
    });
    made(organisation);
    setThere(organisation);
    return organisation;
  };
  if (done) {
    return (
      <Dialog key="done" title={`${there?.name} is made`} close={close} alert>
        <Secret password={done.password} of={done.admin.email} close={close} />
      </Dialog>
    );
  }
  return (
    <Dialog key="make" title="New organisation" close={close}>
      <Form action={there ? "Make the administrator" : "Make the organisation"} submit={submit} cancel={close}>
        {there ? (
          <p class="notice">{there.name} is made. Its first administrator is still to be made.</p>
        ) : (
          <>
            <Field label="Name of the organisation" name="name" required maxLength={200} autocomplete="off" />
            <Check
              label="Students may register themselves"
              name="selfRegistration"
              hint="Its administrators can change this."
            />
          </>
        )}
        <Field label="Name of its first administrator" name="adminName" required maxLength={200} autocomplete="off" />
        <Field
          label="E-mail of the administrator"
          name="email"
          type="email"
          required
          maxLength={254}
          autocomplete="off"
          hint="A password is made, and shown to you once."
        />
      </Form>
    </Dialog>
  );
}
