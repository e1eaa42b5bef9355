/** Taking part in an exam, from the first connection to the end, and whatever interrupts it. */

import { useEffect, useMemo } from "preact/hooks";
import type { SignedIn } from "@shared/api";
import { Ended } from "./Ended";
import { Interruptions } from "./Interruptions";
import { Stopped } from "./Stopped";
import { Running } from "./Running";
import { useStep } from "./step";
import { Taking } from "./taking";
import { connectionWords } from "./words";

export function TakingPart({
  who,
  examId,
  back,
  signInAgain,
}: {
  who: SignedIn;
  examId: string;
  /** To the choice of exams. */
  back: () => void;
  signInAgain: () => void;
}) {
  const taking = useMemo(() => new Taking(who.user.id, who.token, examId), [who, examId]);
  useEffect(() => () => taking.close(), [taking]);
  if (!taking.session.value) {
    return taking.stopped.value ? (
      <Stopped taking={taking} back={back} signInAgain={signInAgain} />
    ) : (
      <Entering taking={taking} back={back} />
    );
  }
  const needed = !taking.over.value || taking.pending.value > 0;
  return (
    <>
      {taking.over.value ? <Ended taking={taking} back={back} /> : <Running taking={taking} />}
      <Interruptions taking={taking} />
      {taking.stopped.value && needed && <Stopped taking={taking} back={back} signInAgain={signInAgain} inDialog />}
    </>
  );
}

function Entering({ taking, back }: { taking: Taking; back: () => void }) {
  const heading = useStep("Connecting… · Exam");
  const { state } = taking.connection.value;
  return (
    <main class="narrow">
      <h1 ref={heading} tabIndex={-1}>
        Connecting to the exam
      </h1>
      <p role="status">
        {state === "offline"
          ? "The server cannot be reached. This page tries again by itself: keep it open."
          : connectionWords(state, true)}
      </p>
      <div class="actions">
        <button onClick={back}>Back to the exams</button>
      </div>
    </main>
  );
}
