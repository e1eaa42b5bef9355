/** All organisations, for sales. */

import { useState } from "preact/hooks";
import type { Api, User } from "@shared/api";
import { Field } from "@shared/parts";
import { useSay } from "./Announcer";
import { Confirm } from "./Confirm";
import { Heading, useRefocus } from "./Heading";
import { Loading, useLoaded } from "./loading";
import { NewOrganisation } from "./NewOrganisation";
import type { Organisation } from "./organisation";
import { OrganisationTable } from "./OrganisationTable";
import { byName } from "./people";
import { Rename } from "./Rename";
import { count } from "./words";

interface Kept {
  organisations: Organisation[];
  admins: User[];
}

export function Organisations({ api }: { api: Api }) {
  const loaded = useLoaded<Kept>(async () => {
    const [organisations, users] = await Promise.all([
      api.all<Organisation>("/routes/organisations"),
      api.all<User>("/routes/users"),
    ]);
    return { organisations: byName(organisations), admins: users.filter(({ role }) => role === "ADMIN") };
  }, [api]);
  const [text, setText] = useState("");
  const [making, setMaking] = useState(false);
  const [renaming, setRenaming] = useState<Organisation | null>(null);
  const [deleting, setDeleting] = useState<Organisation | null>(null);
  const [heading, refocus] = useRefocus<HTMLHeadingElement>();
  const say = useSay();
  const put = (one: Organisation) =>
    loaded.change(({ organisations, admins }) => ({
      organisations: byName([...organisations.filter(({ id }) => id !== one.id), one]),
      admins,
    }));
  const remove = async (one: Organisation) => {
    await api.delete(`/routes/organisations/${one.id}`);
    loaded.change(({ organisations, admins }) => ({
      organisations: organisations.filter(({ id }) => id !== one.id),
      admins,
    }));
    setDeleting(null);
    say(`${one.name} is deleted.`);
    refocus();
  };
  return (
    <>
      <Heading title="Organisations" at={heading} />
      <p class="links">
        <button class="primary" onClick={() => setMaking(true)}>
          New organisation
        </button>
        <a href="#/manage/users">Administrators</a>
      </p>
      <Loading of={loaded}>
        {({ organisations, admins }) => {
          const found = organisations.filter(({ name }) => name.toLowerCase().includes(text.trim().toLowerCase()));
          return (
            <>
              <Field
                label="Search by name"
                type="search"
                autocomplete="off"
                value={text}
                onInput={(event) => setText(event.currentTarget.value)}
              />
              <p role="status" class="quiet">
                {count(found.length, "organisation")}
              </p>
              <OrganisationTable
                organisations={found}
                admins={admins}
                search={text}
                rename={setRenaming}
                remove={setDeleting}
              />
            </>
          );
        }}
      </Loading>
      {making && (
        <NewOrganisation
          api={api}
          made={put}
          madeAdmin={(admin) => loaded.change((now) => ({ ...now, admins: [...now.admins, admin] }))}
          close={() => setMaking(false)}
        />
      )}
      {renaming && (
        <Rename
          api={api}
          organisation={renaming}
          renamed={put}
          close={() => {
            setRenaming(null);
            refocus(); // it may not match the search any more
          }}
        />
      )}
      {deleting && (
        <Confirm
          title={`Delete ${deleting.name}?`}
          action="Delete"
          act={() => remove(deleting)}
          close={() => setDeleting(null)}
          conflict="As its last administrator cannot be deleted, an organisation that has one stays."
        >
          <p>Only an organisation that has no users and no exams can be deleted. This cannot be undone.</p>
        </Confirm>
      )}
    </>
  );
}
