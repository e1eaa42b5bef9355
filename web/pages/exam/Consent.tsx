/** What is observed and who sees it, before anything is. */

import type { Exam } from "@client/protocol";
import { Form } from "@shared/parts";
import { ALWAYS, inWords, notObserved, OBSERVED } from "./observed";
import { useStep } from "./step";

export function Consent({ exam, start, back }: { exam: Exam; start: () => void; back: () => void }) {
  const heading = useStep(`Before you start · ${exam.title}`);
  return (
    <main class="column">
      <h1 ref={heading} tabIndex={-1}>
        Before you start: {exam.title}
      </h1>
      <p>While you take this exam, this page observes itself and tells the proctors what it sees, at once.</p>
      <div class="consent">
        <List title="What is observed" of={[...inWords(OBSERVED), ...ALWAYS]} />
        <div>
          <List title="What is not observed" of={notObserved(OBSERVED)} />
          <h2>Who sees it</h2>
          <p>
            The proctors of this exam and the administrators of your organisation. Other students see nothing of it.
          </p>
          <h2>When it begins and ends</h2>
          <p>
            Nothing is observed or sent before you press “Start”, or observed once the exam is over.{" "}
            {exam.policy.admission === "proctor"
              ? "“Start” brings you into a waiting room; the exam and your time begin when a proctor lets you in."
              : "“Start” begins the exam, and your time, at once; where you had begun it before, it goes on."}
          </p>
        </div>
      </div>
      <Form action="Start" submit={start} cancel={back}>
        <label class="check">
          <input type="checkbox" name="consent" required />
          <span>I understand what is observed and who sees it.</span>
        </label>
      </Form>
    </main>
  );
}

function List({ title, of }: { title: string; of: string[] }) {
  return (
    <section>
      <h2>{title}</h2>
      <ul>
        {of.map((words) => (
          <li key={words}>{words}</li>
        ))}
      </ul>
    </section>
  );
}
