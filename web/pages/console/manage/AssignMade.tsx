/** Those who were just made, assigned to an exam together. */

import type { Exam } from "@client/protocol";
import type { Api, User } from "@shared/api";
import { Form } from "@shared/parts";
import { useSay } from "./Announcer";
import { assignable } from "./assigning";
import { Choice, refuse } from "./fields";
import { Loading, useLoaded } from "./loading";
import { count } from "./words";

export function AssignMade({ api, made }: { api: Api; made: User[] }) {
  const exams = useLoaded(() => api.all<Exam>("/routes/exams"), [api]);
  const say = useSay();
  const people = made.filter(assignable);
  if (!people.length) return null;
  const assign = async (values: FormData) => {
    const id = String(values.get("exam")) || refuse("Choose an exam.");
    const exam = await api.post<Exam>(`/routes/exams/${id}/users`, { add: people.map((one) => one.id) });
    say(`${count(people.length, "person", "people")} assigned to “${exam.title}”.`);
  };
  return (
    <section aria-labelledby="assign-heading">
      <h2 id="assign-heading">Assign them to an exam</h2>
      <Loading of={exams}>
        {(found) =>
          found.length === 0 ? (
            <p>
              There is no exam yet. <a href="#/manage/exams/new">Make one</a>; these people can be assigned to it there
              too.
            </p>
          ) : (
            <Form action={`Assign ${count(people.length, "person", "people")}`} submit={assign}>
              <Choice
                label="Exam"
                name="exam"
                chosen=""
                choices={[["", "Choose an exam"], ...found.toReversed().map(({ id, title }) => [id, title] as const)]}
              />
            </Form>
          )
        }
      </Loading>
    </section>
  );
}
