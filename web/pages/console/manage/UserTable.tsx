/** Accounts, a hundred at a time, with what can be done with each. */

import type { User } from "@shared/api";
import type { Organisation } from "./organisation";
import { usePaging } from "./paging";
import { ROLES } from "./words";

export interface Doing {
  what: "edit" | "password" | "own" | "delete";
  user: User;
}

export function UserTable({
  people,
  organisations,
  who,
  search,
  act,
}: {
  people: User[];
  organisations: Organisation[];
  who: User;
  search: string;
  act: (doing: Doing) => void;
}) {
  const [shown, pager] = usePaging(people, "users", search);
  const sales = who.role === "SALES";
  const names = new Map(organisations.map(({ id, name }) => [id, name]));
  if (!people.length) return <p class="notice">Nobody matches.</p>;
  return (
    <>
      <div class="wide">
        <table>
          <caption class="hidden-visually">{sales ? "Administrators" : "Users"}</caption>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">E-mail</th>
              <th scope="col">Role</th>
              {sales && <th scope="col">Organisation</th>}
              <th scope="col">Actions</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((user) => (
              <tr key={user.id}>
                <th scope="row">
                  {user.name}
                  {user.id === who.id && " (you)"}
                </th>
                <td>{user.email}</td>
                <td>{ROLES[user.role]}</td>
                {sales && <td>{names.get(user.organisationId ?? "") ?? "None"}</td>}
                <td class="acts">
                  <Actions user={user} own={user.id === who.id} act={act} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {pager}
    </>
  );
}

function Actions({ user, own, act }: { user: User; own: boolean; act: (doing: Doing) => void }) {
  const of = <span class="hidden-visually"> {user.name}</span>;
  return (
    <>
      <button onClick={() => act({ what: "edit", user })}>Edit{of}</button>
      {own ? (
        <button onClick={() => act({ what: "own", user })}>Change my password</button>
      ) : (
        <>
          <button onClick={() => act({ what: "password", user })}>
            New password<span class="hidden-visually"> for {user.name}</span>
          </button>
          <button onClick={() => act({ what: "delete", user })}>Delete{of}</button>
        </>
      )}
    </>
  );
}
