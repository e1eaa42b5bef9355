/**
 * All students, a row each. Five hundred rows stay in the page, so that the browser's own search and screen readers find
 * them. A row is made anew only where something in it is another, and laid out only while it can be seen: which needs
 * boxes of its own (`content-visibility`), and so roles in place of a table's elements.
 */

import { memo } from "preact/compat";
import { useRef } from "preact/hooks";
import type { ProctoringSession } from "@client/protocol";
import { isOver } from "@client/exam";
import { clock, lasting, left } from "@shared/time";
import type { Level } from "./attention";
import type { Row } from "./model";
import { CONNECTIVITY, SEVERITIES, STATUSES, VERDICTS } from "./words";

const EXACT_BELOW_MS = 5 * 60_000;
const COLUMNS = ["Student", "State", "Contact", "Time left", "Events", "Latest", "Verdict"];

export function Grid({
  rows,
  chosen,
  choose,
  now,
}: {
  rows: Row[];
  chosen: string | null;
  choose: (id: string) => void;
  now: number;
}) {
  const body = useRef<HTMLDivElement>(null);
  // One stop for the Tab key; the arrows go from student to student.
  const move = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -Infinity, End: Infinity }[event.key];
    const buttons = [...(body.current?.querySelectorAll<HTMLButtonElement>("button.name") ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    if (step === undefined || at < 0) return;
    event.preventDefault();
    buttons[Math.max(0, Math.min(buttons.length - 1, at + step))]?.focus();
  };
  const stop = rows.some(({ session }) => session.id === chosen) ? chosen : rows[0]?.session.id;
  return (
    <div class="grid">
      <div role="table" aria-labelledby="students-heading">
        <div role="rowgroup">
          <div role="row" class="head">
            {COLUMNS.map((name) => (
              <span role="columnheader" key={name}>
                {name}
              </span>
            ))}
          </div>
        </div>
        <div role="rowgroup" class="body" ref={body} onKeyDown={move}>
          {rows.map(({ session, attention: { level, reasons } }) => (
            <Student
              key={session.id}
              session={session}
              level={level}
              why={level === "calm" || level === "over" ? "" : (reasons[0] ?? "")}
              time={timeLeft(session, now)}
              chosen={session.id === chosen}
              stop={session.id === stop}
              choose={choose}
            />
          ))}
        </div>
      </div>
      {rows.length === 0 && <p class="quiet">No student matches.</p>}
    </div>
  );
}

function timeLeft(session: ProctoringSession, now: number): string {
  if (isOver(session.status)) return "–";
  const running = session.status === "ACTIVE" && session.deadline;
  const ms = running ? Math.max(0, Date.parse(session.deadline!) - now) : session.remainingMs;
  return ms < EXACT_BELOW_MS ? left(ms) : lasting(ms);
}

interface StudentProps {
  session: ProctoringSession;
  level: Level;
  why: string;
  time: string;
  chosen: boolean;
  stop: boolean;
  choose: (id: string) => void;
}

const Student = memo(function Student({ session, level, why, time, chosen, stop, choose }: StudentProps) {
  const { id, user, counts, connectivity, status, lastActivityAt, verdict } = session;
  return (
    <div role="row" class={level} aria-current={chosen ? "true" : undefined} onClick={() => choose(id)}>
      <span role="rowheader">
        <button id={`student-${id}`} class="name" tabIndex={stop ? 0 : -1}>
          {user.name}
        </button>
        {why && <span class="why">{why}</span>}
      </span>
      <span role="cell">{STATUSES[status]}</span>
      <span role="cell" class={connectivity.toLowerCase()}>
        {CONNECTIVITY[connectivity]}
      </span>
      <span role="cell" class="number">
        {time}
      </span>
      <span role="cell">
        {SEVERITIES.slice(0, 4).map((severity) =>
          counts?.[severity] ? (
            <span key={severity} class={`count ${severity}`}>
              {counts[severity]} {severity}
            </span>
          ) : null,
        )}
      </span>
      <span role="cell" class="number">
        {lastActivityAt ? clock(lastActivityAt) : "–"}
      </span>
      <span role="cell">{verdict && verdict !== "UNREVIEWED" ? VERDICTS[verdict] : ""}</span>
    </div>
  );
});
