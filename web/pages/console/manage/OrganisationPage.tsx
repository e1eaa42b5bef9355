/** An administrator's own organisation. */

import { Field, Form } from "@shared/parts";
import { useSay } from "./Announcer";
import { Copy } from "./Copy";
import { Check, filledIn } from "./fields";
import { Heading } from "./Heading";
import type { Shown } from "./index";
import { Loading, useLoaded } from "./loading";
import { registrationLink, type Organisation } from "./organisation";

export function OrganisationPage({ api, who }: Shown) {
  const path = `/routes/organisations/${who.organisationId}`;
  const loaded = useLoaded(() => api.get<Organisation>(path), [api, path]);
  const say = useSay();
  const save = async (values: FormData) => {
    const changes = { name: filledIn(values, "name", "The name"), selfRegistration: values.has("selfRegistration") };
    const organisation = await api.put<Organisation>(path, changes);
    loaded.change(() => organisation);
    say(`${organisation.name} is saved.`);
  };
  return (
    <>
      <Heading title="Organisation" />
      <Loading of={loaded}>
        {(organisation) => (
          <>
            <Form action="Save" submit={save}>
              <Field label="Name" name="name" required maxLength={200} defaultValue={organisation.name} />
              <Check
                label="Students may register themselves"
                name="selfRegistration"
                defaultChecked={organisation.selfRegistration}
                hint="Whoever has the link below can then make a student’s account. You still decide who is assigned to which exam."
              />
            </Form>
            <section aria-labelledby="link-heading">
              <h2 id="link-heading">Registration</h2>
              {organisation.selfRegistration ? (
                <>
                  <Field label="Link for students" readOnly value={registrationLink(organisation)} />
                  <Copy text={registrationLink(organisation)} what="link" />
                </>
              ) : (
                <p>Students cannot register themselves. Make or import their accounts under “Users”.</p>
              )}
            </section>
          </>
        )}
      </Loading>
    </>
  );
}
