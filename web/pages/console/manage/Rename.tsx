/** Another name for an organisation. */

import type { Api } from "@shared/api";
import { Dialog, Field, Form } from "@shared/parts";
import { useSay } from "./Announcer";
import { filledIn } from "./fields";
import type { Organisation } from "./organisation";

export function Rename({
  api,
  organisation,
  renamed,
  close,
}: {
  api: Api;
  organisation: Organisation;
  renamed: (one: Organisation) => void;
  close: () => void;
}) {
  const say = useSay();
  const submit = async (values: FormData) => {
    const name = filledIn(values, "name", "The name");
    renamed(await api.put<Organisation>(`/routes/organisations/${organisation.id}`, { name }));
    close();
    say(`${organisation.name} is now called ${name}.`);
  };
  return (
    <Dialog title={`Rename ${organisation.name}`} close={close}>
      <Form action="Rename" submit={submit} cancel={close}>
        <Field label="Name" name="name" required maxLength={200} defaultValue={organisation.name} />
      </Form>
    </Dialog>
  );
}
