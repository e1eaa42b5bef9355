/** What is said to who may not manage this: whom to ask. */

import { ROLES } from "./words";
import { Heading } from "./Heading";
import type { Shown } from "./index";
import { useLoaded } from "./loading";
import { everybody } from "./people";

export function NotForYou({ api, who }: Shown) {
  const proctor = who.role === "PROCTOR";
  const { value } = useLoaded(async () => (proctor ? await everybody(api) : []), [api]);
  const admins = value?.filter(({ role }) => role === "ADMIN") ?? [];
  return (
    <>
      <Heading title={proctor || who.role === "STUDENT" ? "For administrators" : "Not here"} />
      {who.role === "SALES" && (
        <p>
          Sales keeps <a href="#/manage/organisations">organisations</a> and{" "}
          <a href="#/manage/users">their administrators</a>. Exams, and the people who take part in them, are kept by
          each organisation’s own administrators.
        </p>
      )}
      {who.role === "ADMIN" && (
        <p>
          There is no such page. You keep <a href="#/manage/exams">exams</a>, <a href="#/manage/users">users</a> and{" "}
          <a href="#/manage/organisation">your organisation</a>.
        </p>
      )}
      {who.role !== "SALES" && who.role !== "ADMIN" && (
        <p>
          Exams and accounts are kept by your organisation’s administrators, and you are signed in as a{" "}
          {ROLES[who.role].toLowerCase()}. Ask an administrator for a change
          {admins.length ? ":" : "."}
        </p>
      )}
      {admins.length > 0 && (
        <ul>
          {admins.map(({ id, name, email }) => (
            <li key={id}>
              {name}, <a href={`mailto:${email}`}>{email}</a>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
