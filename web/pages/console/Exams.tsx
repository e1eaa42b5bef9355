/** Which exam to watch: those that run now first. */

import { useEffect, useState } from "preact/hooks";
import type { Exam } from "@client/protocol";
import { saying, type Api, type User } from "@shared/api";
import { Problem } from "@shared/parts";
import { day, hourAndMinute } from "@shared/time";

export function Exams({ api, who }: { api: Api; who: User }) {
  const [exams, setExams] = useState<Exam[] | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    document.title = "Exams · Proctor console";
    api.all<Exam>("/routes/exams").then(setExams, (error: unknown) => setProblem(saying(error)));
  }, [api]);
  const now = Date.now();
  const state = ({ startsAt, endsAt }: Exam) =>
    startsAt && Date.parse(startsAt) > now ? 1 : endsAt && Date.parse(endsAt) < now ? 2 : 0;
  const sorted = (exams ?? []).sort((a, b) => state(a) - state(b) || a.title.localeCompare(b.title));
  return (
    <div class="page">
      <h1>Exams</h1>
      <Problem>{problem}</Problem>
      {exams === null && !problem && <p class="quiet">Loading…</p>}
      {exams?.length === 0 && (
        <p class="notice">
          {who.role === "ADMIN" ? (
            <>
              There is no exam yet. <a href="#/manage/exams/new">Make one</a>, and assign proctors and students to it.
            </>
          ) : (
            "You are not assigned to an exam. An administrator of your organisation assigns proctors."
          )}
        </p>
      )}
      <ul class="choice">
        {sorted.map((exam) => (
          <li>
            <a href={`#/exams/${exam.id}`}>{exam.title}</a>
            <span class="quiet">
              {["", "Not begun · ", "Over · "][state(exam)]}
              {window_(exam)} · {exam.duration} minutes{exam.rehearsal ? " · rehearsal" : ""}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function window_({ startsAt, endsAt }: Exam): string {
  if (startsAt && endsAt) {
    const sameDay = new Date(startsAt).toDateString() === new Date(endsAt).toDateString();
    return `${day(startsAt)} to ${sameDay ? hourAndMinute(endsAt) : day(endsAt)}`;
  }
  if (startsAt) return `from ${day(startsAt)}`;
  return endsAt ? `until ${day(endsAt)}` : "open at any time";
}
