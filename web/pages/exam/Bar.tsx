/** What is always in sight: which exam, how much time is left, and the connection. */

import { useEffect, useId, useRef, useState } from "preact/hooks";
import { left } from "@shared/time";
import { passed } from "./milestones";
import { useStep } from "./step";
import type { Taking } from "./taking";
import { connectionWords, reports } from "./words";

const STEPS = { WAITING: "Waiting to be let in · ", PAUSED: "Paused · " } as Partial<Record<string, string>>;

export function Bar({ taking }: { taking: Taking }) {
  const title = taking.exam.value?.title ?? "Exam";
  const status = taking.session.value?.status ?? "";
  const heading = useStep(`${STEPS[status] ?? ""}${title} · Exam`);
  const unread = taking.talk.unread.value;
  return (
    <header class="bar running">
      <h1 ref={heading} tabIndex={-1}>
        {title}
      </h1>
      <Clock taking={taking} />
      <div class="state">
        <Connection taking={taking} />
        {unread > 0 && <a href="#messages">{unread === 1 ? "1 new message" : `${unread} new messages`}</a>}
      </div>
    </header>
  );
}

const SOON_MS = 5 * 60_000;
const LABELS = { WAITING: "Your time, once let in", PAUSED: "Time left, standing still" } as Partial<
  Record<string, string>
>;

function Clock({ taking }: { taking: Taking }) {
  const id = useId();
  const ms = taking.left.value;
  const status = taking.session.value?.status ?? "";
  const label = LABELS[status] ?? "Time left";
  const soon = status === "ACTIVE" && ms !== null && ms <= SOON_MS;
  return (
    <>
      <div class={`clock ${soon ? "soon" : ""}`} role="timer" aria-labelledby={id}>
        <span id={id}>{label}</span>
        <strong>{ms === null ? "–" : left(ms)}</strong>
      </div>
      <Announcements ms={ms} running={status === "ACTIVE"} />
    </>
  );
}

/** The time left, said at some marks only. */
function Announcements({ ms, running }: { ms: number | null; running: boolean }) {
  const before = useRef<number | null>(null);
  const [said, setSaid] = useState("");
  useEffect(() => {
    const minutes = running && ms !== null && before.current !== null ? passed(before.current, ms) : null;
    if (minutes !== null) setSaid(minutes === 1 ? "1 minute left" : `${minutes} minutes left`);
    before.current = ms;
  }, [ms, running]);
  return (
    <p class="hidden-visually" role="status">
      {said || null}
    </p>
  );
}

export function Connection({ taking }: { taking: Taking }) {
  const { state } = taking.connection.value;
  const waiting = taking.waiting.value;
  return (
    <div class={`connection ${state}`}>
      <p role="status">{connectionWords(state, taking.durable)}</p>
      {waiting > 0 && <p>{reports(waiting)} waiting</p>}
    </div>
  );
}
