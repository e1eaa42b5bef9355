/** Which exam to take: those that are open now first. */

import { useEffect, useState } from "preact/hooks";
import type { Exam } from "@client/protocol";
import { saying, type Api, type User } from "@shared/api";
import { Problem } from "@shared/parts";
import { isDone, listed, stateOf, windowOf, type Account, type Listed } from "./exams";
import { useStep } from "./step";

export function Choose({
  api,
  user,
  choose,
  out,
}: {
  api: Api;
  user: User;
  choose: (exam: Exam) => void;
  out: () => void;
}) {
  const heading = useStep("Choose an exam · Exam");
  const [exams, setExams] = useState<Listed[] | null>(null);
  const [problem, setProblem] = useState("");
  const look = async () => {
    try {
      const [all, account] = await Promise.all([
        api.all<Exam>("/routes/exams"),
        api.get<Account>(`/routes/users/${user.id}`),
      ]);
      setExams(listed(all, account, Date.now()));
      setProblem("");
    } catch (error) {
      setProblem(saying(error));
    }
  };
  useEffect(() => void look(), [api]);
  return (
    <>
      <header class="bar">
        <p>{user.name}</p>
        <button onClick={out}>Sign out</button>
      </header>
      <main class="column">
        <h1 ref={heading} tabIndex={-1}>
          Choose your exam
        </h1>
        <Problem>{problem}</Problem>
        {exams === null && !problem && <p role="status">Looking for your exams…</p>}
        {exams?.length === 0 && (
          <p class="notice">
            You are not assigned to an exam. Ask the proctor in the room to have you assigned ({user.email}), then look
            again.
          </p>
        )}
        {!!exams?.length && (
          <ul class="exams">
            {exams.map((one) => (
              <One key={one.exam.id} one={one} choose={choose} />
            ))}
          </ul>
        )}
        <div class="actions">
          <button onClick={() => void look()}>Look again</button>
        </div>
      </main>
    </>
  );
}

function One({ one, choose }: { one: Listed; choose: (exam: Exam) => void }) {
  const { exam, openness, status } = one;
  const state = stateOf(one);
  return (
    <li>
      <h2>{exam.title}</h2>
      <p>
        {exam.duration === 1 ? "1 minute" : `${exam.duration} minutes`}. {windowOf(exam)}.
        {exam.rehearsal && " A rehearsal: it does not count."}
      </p>
      {state && <p class="quiet">{state}</p>}
      {!isDone(one) && (
        <button class={openness === "open" || status ? "primary" : undefined} onClick={() => choose(exam)}>
          {status ? "Go on with" : "Choose"} <span class="hidden-visually">{exam.title}</span>
        </button>
      )}
    </li>
  );
}
