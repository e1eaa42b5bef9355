/** An exam, live: who needs help first, all students, what happens, and one student beside it. */

import { useEffect, useMemo, useState } from "preact/hooks";
import type { SignedIn, Api } from "@shared/api";
import { Banner } from "./Banner";
import { Everybody } from "./Everybody";
import { Feed } from "./Feed";
import { Filtering } from "./Filtering";
import { matching, NO_FILTERS } from "./filters";
import { Grid } from "./Grid";
import { RoomModel, type Row } from "./model";
import { Absent } from "./Absent";
import { Student } from "./Student";
import { Urgent } from "./Urgent";

export function Room({ api, who, examId }: { api: Api; who: SignedIn; examId: string }) {
  const model = useMemo(() => new RoomModel(api, who.token, examId), [api, who, examId]);
  useEffect(() => () => model.close(), [model]);
  const [filters, setFilters] = useState(NO_FILTERS);
  const [chosen, setChosen] = useState<string | null>(null);
  void model.version.value; // drawn anew when it goes up
  const { exam } = model.client;
  const rows = model.rows();
  const shown = matching(rows, filters);
  const { state, error } = model.connection.value;
  useEffect(() => {
    const urgent = rows.filter(({ attention }) => attention.level === "urgent").length;
    document.title = `${urgent ? `(${urgent}) ` : ""}${exam?.title ?? "Exam"} · Proctor console`;
  });
  if (!exam) {
    return (
      <div class="page">
        <h1>{state === "refused" ? "This exam cannot be watched" : "Joining the exam…"}</h1>
        {error && <p role="alert">{error.message}</p>}
        {state === "refused" && <a href="#/">Back to the exams</a>}
      </div>
    );
  }
  const close = () => {
    const before = chosen;
    setChosen(null);
    document.getElementById(`student-${before}`)?.focus();
  };
  const session = chosen ? model.client.sessions.get(chosen) : undefined;
  return (
    <div class="room">
      <div class="room-head">
        <h1>{exam.title}</h1>
        <Figures rows={rows} absent={model.absent().length} />
        <Everybody model={model} rows={rows} />
      </div>
      <Banner model={model} />
      <Urgent rows={rows} choose={setChosen} all={() => setFilters({ ...NO_FILTERS, only: "attention" })} />
      <section class="students" aria-labelledby="students-heading">
        <Filtering filters={filters} change={setFilters} shown={shown.length} of={rows.length} />
        <Grid rows={shown} chosen={chosen} choose={setChosen} now={model.client.now()} />
        <Absent model={model} text={filters.text} />
      </section>
      {session ? <Student key={session.id} model={model} session={session} role={who.user.role} close={close} /> : <Feed model={model} choose={setChosen} />}
    </div>
  );
}

function Figures({ rows, absent }: { rows: Row[]; absent: number }) {
  const count = (holds: (row: Row) => boolean) => rows.filter(holds).length;
  const figures: [number, string][] = [
    [count(({ session }) => session.status === "ACTIVE"), "writing"],
    [count(({ session }) => session.status === "WAITING"), "waiting"],
    [count(({ session }) => session.status === "PAUSED"), "paused"],
    [count(({ session }) => session.connectivity === "MISSING"), "no contact"],
    [count(({ attention }) => attention.level === "over"), "done"],
    [absent, "not started"],
  ];
  return (
    <ul class="figures" aria-label="The exam in figures">
      {figures.map(([value, name]) => (
        <li key={name}>
          <strong>{value}</strong> {name}
        </li>
      ))}
    </ul>
  );
}
