/** One exam: how it is held, and who is assigned to it. `id` is "new" for one that is still to be made. */

import type { Exam } from "@client/protocol";
import type { Api, User } from "@shared/api";
import { useSay } from "./Announcer";
import { Assigned } from "./Assigned";
import { ExamForm } from "./ExamForm";
import { Heading } from "./Heading";
import { Loading, useLoaded } from "./loading";
import { everybody } from "./people";

export function ExamPage({ api, id }: { api: Api; id: string }) {
  const fresh = id === "new";
  const loaded = useLoaded<{ exam: Exam | null; people: User[] }>(async () => {
    const [exam, people] = await Promise.all([fresh ? null : api.get<Exam>(`/routes/exams/${id}`), everybody(api)]);
    return { exam, people };
  }, [api, id]);
  const say = useSay();
  const save = async (fields: Partial<Exam>) => {
    if (fresh) {
      const made = await api.post<Exam>("/routes/exams", fields);
      say(`“${made.title}” is made. Now assign proctors and students to it.`);
      location.hash = `#/manage/exams/${made.id}`;
    } else if (Object.keys(fields).length) {
      const exam = await api.put<Exam>(`/routes/exams/${id}`, fields);
      loaded.change(({ people }) => ({ exam, people }));
      say(`“${exam.title}” is saved.`);
    } else {
      say("Nothing was changed.");
    }
  };
  const assign = async (add: string[], remove: string[]) => {
    const exam = await api.post<Exam>(`/routes/exams/${id}/users`, { add, remove });
    loaded.change(({ people }) => ({ exam, people }));
  };
  return (
    <>
      <Heading title={fresh ? "New exam" : (loaded.value?.exam?.title ?? "Exam")} />
      <p class="links">
        <a href="#/manage/exams">All exams</a>
        {!fresh && <a href={`#/exams/${id}`}>Open the live room</a>}
      </p>
      <Loading of={loaded}>
        {({ exam, people }) => (
          <>
            <ExamForm exam={exam} students={people.filter(({ role }) => role === "STUDENT")} save={save} />
            {exam && <Assigned people={people} assigned={exam.users ?? []} save={assign} />}
          </>
        )}
      </Loading>
    </>
  );
}
