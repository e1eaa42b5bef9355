/** Told to who came here with an account that is no student's. */

import type { User } from "@shared/api";
import { useStep } from "./step";

const ACCOUNTS = {
  SALES: "a sales account",
  ADMIN: "an administrator’s",
  PROCTOR: "a proctor’s",
  STUDENT: "a student’s",
};

export function NotStudents({ user, out }: { user: User; out: () => void }) {
  const heading = useStep("For students · Exam");
  return (
    <main class="narrow">
      <h1 ref={heading} tabIndex={-1}>
        This page is for students
      </h1>
      <p>
        Here students take their exams. The account of {user.name} is {ACCOUNTS[user.role]}: what you can do with it is
        in the <a href="/console">console</a>.
      </p>
      <div class="actions">
        <button onClick={out}>Sign out</button>
      </div>
    </main>
  );
}
