/** The exam is over: how, when, and whether everything has been sent. */

import { useEffect } from "preact/hooks";
import type { ProctoringSession } from "@client/index";
import { hourAndMinute } from "@shared/time";
import { Connection } from "./Bar";
import { Reason } from "./Interruptions";
import { useStep } from "./step";
import type { Taking } from "./taking";
import { reports } from "./words";

export function Ended({ taking, back }: { taking: Taking; back: () => void }) {
  const session = taking.session.value!;
  const exam = taking.exam.value?.title ?? "Exam";
  const { title, text } = endOf(session);
  const heading = useStep(`${title} · ${exam}`);
  const reason = taking.reason.value;
  const pending = taking.pending.value;
  useEffect(() => {
    if (!pending) return;
    const stay = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", stay);
    return () => removeEventListener("beforeunload", stay);
  }, [pending > 0]);
  return (
    <main class="narrow">
      <p class="quiet">{exam}</p>
      <h1 ref={heading} tabIndex={-1}>
        {title}
      </h1>
      <p>{text}</p>
      {reason && (
        <p>
          <Reason text={reason} />
        </p>
      )}
      {!reason && (session.status === "TERMINATED" || session.status === "DENIED") && (
        <p>If you do not know why, ask the proctor in the room.</p>
      )}
      <p class="notice" role="status">
        {pending
          ? `${reports(pending)} still to be sent. Keep this page open until that is done.`
          : "Everything has been sent. Nothing is observed any more, and you can close this page."}
      </p>
      {pending > 0 ? (
        <Connection taking={taking} />
      ) : (
        <div class="actions">
          <button onClick={back}>Back to the exams</button>
        </div>
      )}
    </main>
  );
}

function endOf({ status, endTime, activatedAt }: ProctoringSession): { title: string; text: string } {
  const at = endTime ? ` at ${hourAndMinute(endTime)}` : "";
  switch (status) {
    case "SUBMITTED":
      return { title: "Handed in", text: `You handed in the exam${at}.` };
    case "TIMED_OUT":
      return activatedAt
        ? { title: "Your time is up", text: `Your time was up${at}, and the exam was closed by itself.` }
        : { title: "The exam is over", text: `The exam was over${at}, before you were let in.` };
    case "DENIED":
      return { title: "You were not let in", text: `A proctor decided${at} not to let you into this exam.` };
    default:
      return { title: "The exam was ended for you", text: `A proctor, or a rule of the exam, ended it${at}.` };
  }
}
