/** All exams of the organisation, the newest first. */

import { useState } from "preact/hooks";
import type { Exam } from "@client/protocol";
import type { Api, User } from "@shared/api";
import { useSay } from "./Announcer";
import { Confirm } from "./Confirm";
import { Heading, useRefocus } from "./Heading";
import { Loading, useLoaded } from "./loading";
import { usePaging } from "./paging";
import { count, openDuring } from "./words";

interface Kept {
  exams: Exam[];
  roles: Map<string, User["role"]>;
}

async function load(api: Api): Promise<Kept> {
  const [exams, users] = await Promise.all([api.all<Exam>("/routes/exams"), api.all<User>("/routes/users")]);
  return { exams: exams.reverse(), roles: new Map(users.map(({ id, role }) => [id, role])) };
}

export function Exams({ api }: { api: Api }) {
  const loaded = useLoaded(() => load(api), [api]);
  const [deleting, setDeleting] = useState<Exam | null>(null);
  const [heading, refocus] = useRefocus<HTMLHeadingElement>();
  const say = useSay();
  const remove = async (exam: Exam) => {
    await api.delete(`/routes/exams/${exam.id}`);
    loaded.change(({ exams, roles }) => ({ exams: exams.filter(({ id }) => id !== exam.id), roles }));
    setDeleting(null);
    say(`“${exam.title}” is deleted.`);
    refocus();
  };
  return (
    <>
      <Heading title="Manage exams" at={heading} />
      <p>
        <a class="button primary" href="#/manage/exams/new">
          New exam
        </a>
      </p>
      <Loading of={loaded}>{(kept) => <Table {...kept} remove={setDeleting} />}</Loading>
      {deleting && (
        <Confirm
          title={`Delete “${deleting.title}”?`}
          action="Delete"
          act={() => remove(deleting)}
          close={() => setDeleting(null)}
          conflict="Students have started this exam, so it is kept with all that happened in it. Only a rehearsal can be deleted once it has been started."
        >
          <p>
            {deleting.rehearsal
              ? "The rehearsal is deleted with all its sessions, messages and events. Students who are in it are sent out."
              : "The exam and who is assigned to it are deleted. The accounts of students and proctors stay."}{" "}
            This cannot be undone.
          </p>
        </Confirm>
      )}
    </>
  );
}

function Table({ exams, roles, remove }: Kept & { remove: (exam: Exam) => void }) {
  const [shown, pager] = usePaging(exams, "exams");
  if (!exams.length) return <p class="notice">There is no exam yet.</p>;
  const assigned = ({ users = [] }: Exam, role: User["role"]) => users.filter((id) => roles.get(id) === role).length;
  return (
    <>
      <div class="wide">
        <table>
          <caption class="hidden-visually">Exams</caption>
          <thead>
            <tr>
              <th scope="col">Title</th>
              <th scope="col">Open</th>
              <th scope="col">Minutes</th>
              <th scope="col">Assigned</th>
              <th scope="col">Kind</th>
              <th scope="col">Actions</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((exam) => (
              <tr key={exam.id}>
                <th scope="row">
                  <a href={`#/manage/exams/${exam.id}`}>{exam.title}</a>
                </th>
                <td>{openDuring(exam)}</td>
                <td class="figure">{exam.duration.toLocaleString("en")}</td>
                <td>
                  {count(assigned(exam, "STUDENT"), "student")}, {count(assigned(exam, "PROCTOR"), "proctor")}
                </td>
                <td>{exam.rehearsal ? "Rehearsal" : "Exam"}</td>
                <td class="acts">
                  <a href={`#/exams/${exam.id}`}>
                    Live room<span class="hidden-visually"> of {exam.title}</span>
                  </a>
                  <a href={`#/manage/exams/${exam.id}`}>
                    Edit<span class="hidden-visually"> {exam.title}</span>
                  </a>
                  <button onClick={() => remove(exam)}>
                    Delete<span class="hidden-visually"> {exam.title}</span>
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
