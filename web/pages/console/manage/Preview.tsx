/** What was understood of a list, before anything is sent. */

import type { Listing, Person } from "./listing";
import { count, ROLES } from "./words";

const SHOWN = 10;
const MOST_DOUBTS = 100;

export function Preview({
  people,
  ignored,
  doubts,
  start,
}: Listing & { doubts: Map<number, string>; start: () => void }) {
  const doubtful = people.filter(({ line }) => doubts.has(line));
  return (
    <section aria-labelledby="preview-heading">
      <h2 id="preview-heading">Preview</h2>
      <p role="status">
        {count(people.length, "person", "people")} understood
        {doubtful.length > 0 && `, of which ${doubtful.length} will probably be refused`}.
        {ignored.length > 0 && ` Left out, as nothing here is called so: ${ignored.join(", ")}.`}
      </p>
      {doubtful.length > 0 && (
        <>
          <h3>Will probably be refused</h3>
          <ul>
            {doubtful.slice(0, MOST_DOUBTS).map(({ line, name, email }) => (
              <li key={line}>
                Line {line}, {name || email || "empty"}: {doubts.get(line)}
              </li>
            ))}
          </ul>
          {doubtful.length > MOST_DOUBTS && <p class="quiet">And {doubtful.length - MOST_DOUBTS} more.</p>}
        </>
      )}
      {people.length > 0 && (
        <>
          <People people={people.slice(0, SHOWN)} />
          {people.length > SHOWN && (
            <p class="quiet">And {count(people.length - SHOWN, "more person", "more people")}.</p>
          )}
          <p class="notice">
            Passwords that are made are shown only once, right after the import: have a place ready to save them.
          </p>
          <div class="actions">
            <button class="primary" onClick={start}>
              Import {count(people.length, "person", "people")}
            </button>
          </div>
        </>
      )}
    </section>
  );
}

function People({ people }: { people: Person[] }) {
  return (
    <div class="wide">
      <table>
        <caption class="hidden-visually">The first people of the list</caption>
        <thead>
          <tr>
            <th scope="col">Line</th>
            <th scope="col">Name</th>
            <th scope="col">E-mail</th>
            <th scope="col">Role</th>
            <th scope="col">Password</th>
          </tr>
        </thead>
        <tbody>
          {people.map(({ line, name, email, role, password }) => (
            <tr key={line}>
              <td class="figure">{line}</td>
              <td>{name}</td>
              <td>{email}</td>
              <td>{role ? ((ROLES as Record<string, string>)[role] ?? role) : ROLES.STUDENT}</td>
              <td>{password ? "as in the list" : "will be made"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
