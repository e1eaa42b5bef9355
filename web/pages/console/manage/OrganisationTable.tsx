/** Organisations, a hundred at a time. */

import type { User } from "@shared/api";
import type { Organisation } from "./organisation";
import { usePaging } from "./paging";

export function OrganisationTable({
  organisations,
  admins,
  search,
  rename,
  remove,
}: {
  organisations: Organisation[];
  admins: User[];
  search: string;
  rename: (one: Organisation) => void;
  remove: (one: Organisation) => void;
}) {
  const [shown, pager] = usePaging(organisations, "organisations", search);
  if (!organisations.length) return <p class="notice">No organisation matches.</p>;
  const number = (id: string) => admins.filter(({ organisationId }) => organisationId === id).length;
  return (
    <>
      <div class="wide">
        <table>
          <caption class="hidden-visually">Organisations</caption>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Students register themselves</th>
              <th scope="col">Administrators</th>
              <th scope="col">Actions</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((one) => (
              <tr key={one.id}>
                <th scope="row">{one.name}</th>
                <td>{one.selfRegistration ? "Yes" : "No"}</td>
                <td class="figure">{number(one.id)}</td>
                <td class="acts">
                  <button onClick={() => rename(one)}>
                    Rename<span class="hidden-visually"> {one.name}</span>
                  </button>
                  <button onClick={() => remove(one)}>
                    Delete<span class="hidden-visually"> {one.name}</span>
                  </button>
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
