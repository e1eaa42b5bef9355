/** The organisation's accounts; for sales, every organisation's administrators. */

import { useState } from "preact/hooks";
import type { Organisation } from "./organisation";
import type { Role, User } from "@shared/api";
import { Field } from "@shared/parts";
import { useSay } from "./Announcer";
import { Confirm } from "./Confirm";
import { Choice } from "./fields";
import { Heading, useRefocus } from "./Heading";
import type { Shown } from "./index";
import { Loading, useLoaded } from "./loading";
import { GivePassword, OwnPassword } from "./Passwords";
import { byName, everybody, matching } from "./people";
import { EditUser, NewUser } from "./UserDialogs";
import { UserTable, type Doing } from "./UserTable";
import { count, GIVEN, ROLES } from "./words";

const ANY_ROLE = [["", "Every role"], ...GIVEN.map((role) => [role, `${ROLES[role]}s`] as const)] as const;

interface Kept {
  people: User[];
  organisations: Organisation[];
}

export function Users({ api, who }: Shown) {
  const sales = who.role === "SALES";
  const loaded = useLoaded<Kept>(async () => {
    const [people, organisations] = await Promise.all([
      everybody(api),
      sales ? api.all<Organisation>("/routes/organisations") : [],
    ]);
    const kept = sales ? people.filter(({ id, role }) => role === "ADMIN" || id === who.id) : people;
    return { people: kept, organisations: byName(organisations) };
  }, [api]);
  const [doing, setDoing] = useState<Doing | { what: "make" } | null>(null);
  const [heading, refocus] = useRefocus<HTMLHeadingElement>();
  const say = useSay();
  const close = () => {
    setDoing(null);
    refocus(); // who was changed may not match the search any more
  };
  const put = (user: User) =>
    loaded.change((now) => ({ ...now, people: byName([...now.people.filter(({ id }) => id !== user.id), user]) }));
  const saved = (user: User) => {
    put(user);
    close();
    say(`${user.name} is saved.`);
  };
  const remove = async (user: User) => {
    await api.delete(`/routes/users/${user.id}`);
    loaded.change((now) => ({ ...now, people: now.people.filter(({ id }) => id !== user.id) }));
    close();
    say(`${user.name} is deleted.`);
  };
  return (
    <>
      <Heading title={sales ? "Administrators" : "Users"} at={heading} />
      <p class="links">
        <button class="primary" onClick={() => setDoing({ what: "make" })}>
          {sales ? "New administrator" : "New user"}
        </button>
        {sales ? (
          <a href="#/manage/organisations">Organisations</a>
        ) : (
          <a href="#/manage/users/import">Import a list of people</a>
        )}
      </p>
      <Loading of={loaded}>
        {(kept) => (
          <>
            <Found {...kept} who={who} act={setDoing} />
            {doing?.what === "make" && (
              <NewUser api={api} who={who} organisations={kept.organisations} made={put} close={close} />
            )}
          </>
        )}
      </Loading>
      {doing?.what === "edit" && <EditUser api={api} who={who} user={doing.user} saved={saved} close={close} />}
      {doing?.what === "password" && <GivePassword api={api} user={doing.user} close={close} />}
      {doing?.what === "own" && <OwnPassword api={api} user={doing.user} close={close} />}
      {doing?.what === "delete" && (
        <Confirm
          title={`Delete ${doing.user.name}?`}
          action="Delete"
          act={() => remove(doing.user)}
          close={close}
          conflict="To lock somebody out whose account has to stay, give it a new password."
        >
          <p>
            The account {doing.user.email} is deleted, signed out everywhere and taken off every exam. This cannot be
            undone. Who has taken part in an exam, and an organisation’s last administrator, cannot be deleted.
          </p>
        </Confirm>
      )}
    </>
  );
}

function Found({ people, organisations, who, act }: Kept & { who: User; act: (doing: Doing) => void }) {
  const [text, setText] = useState("");
  const [role, setRole] = useState<Role | "">("");
  const found = matching(people, text).filter((one) => !role || one.role === role);
  return (
    <>
      <div class="beside">
        <Field
          label="Search by name or e-mail"
          type="search"
          autocomplete="off"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        {who.role === "ADMIN" && <Choice label="Role" chosen={role} choices={ANY_ROLE} choose={setRole} />}
      </div>
      <p role="status" class="quiet">
        {count(found.length, "account")}
        {found.length < people.length && ` of ${people.length.toLocaleString("en")}`}
      </p>
      <UserTable people={found} organisations={organisations} who={who} search={`${role} ${text}`} act={act} />
    </>
  );
}
