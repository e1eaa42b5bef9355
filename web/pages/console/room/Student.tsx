/** One student, beside the others: what can be done, what was said, what was commanded, what happened. */

import { useEffect, useRef, useState } from "preact/hooks";
import { isOver } from "@client/exam";
import type { Activity, Command, ProctoringSession } from "@client/protocol";
import { saying, type Role } from "@shared/api";
import { Problem } from "@shared/parts";
import { clock, lasting } from "@shared/time";
import { Actions } from "./Actions";
import { Chat } from "./Chat";
import { Happened } from "./Feed";
import type { RoomModel } from "./model";
import { NewPassword } from "./NewPassword";
import { Review } from "./Review";
import { commanded, CONNECTIVITY, FATES, STATUSES } from "./words";

const MOST_SHOWN = 200;

export function Student({
  model,
  session,
  role,
  close,
}: {
  model: RoomModel;
  session: ProctoringSession;
  role: Role;
  close: () => void;
}) {
  const { timeline, problem } = useTimeline(model, session.id);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  useEffect(() => model.read(session.id));
  void model.version.value;
  const commands = model.commands.get(session.id) ?? [];
  return (
    <aside
      class="student"
      aria-labelledby="student-heading"
      onKeyDown={(event) => {
        if (event.key === "Escape" && !(event.target as Element).closest("dialog")) close();
      }}
    >
      <div class="student-head">
        <h2 id="student-heading" ref={heading} tabIndex={-1}>
          {session.user.name}
        </h2>
        <button onClick={close}>Close</button>
      </div>
      <p>
        {STATUSES[session.status]} · {CONNECTIVITY[session.connectivity]}
        {!isOver(session.status) && <> · {lasting(model.client.remainingMs(session))} left</>}
        {session.hand && <> · hand raised{session.hand.text && `: “${session.hand.text}”`}</>}
      </p>
      <Problem>{problem}</Problem>
      <Actions model={model} session={session} role={role} />
      <Chat model={model} session={session} messages={timeline.filter(({ type }) => type === "chat")} />
      <section aria-labelledby="commands-heading">
        <h3 id="commands-heading">Commands</h3>
        {commands.length ? <Commands commands={commands} model={model} /> : <p class="quiet">None yet.</p>}
      </section>
      <Review model={model} session={session} />
      <Ledger session={session} model={model} />
      <section aria-labelledby="timeline-heading">
        <h3 id="timeline-heading">Timeline</h3>
        <ol class="timeline" tabIndex={0} aria-labelledby="timeline-heading">
          {timeline
            .slice(-MOST_SHOWN)
            .reverse()
            .map((item) => (
              <Happened key={item.offset} item={item} by={item.source === "proctor" ? model.who(item.actorId) : undefined} />
            ))}
        </ol>
        {timeline.length > MOST_SHOWN && <p class="quiet">The latest {MOST_SHOWN} of {timeline.length}.</p>}
      </section>
      <NewPassword api={model.api} userId={session.userId} name={session.user.name} />
    </aside>
  );
}

function Commands({ commands, model }: { commands: Command[]; model: RoomModel }) {
  return (
    <ul class="commands">
      {[...commands].reverse().map((command) => (
        <li key={command.id} class={command.fate.toLowerCase()}>
          <time dateTime={command.createdAt}>{clock(command.createdAt)}</time> {commanded(command)}{" "}
          <span class="quiet">
            by {model.who(command.actorId)}, {FATES[command.fate]}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Ledger({ session, model }: { session: ProctoringSession; model: RoomModel }) {
  if (!session.timeLedger.length) return null;
  const kinds = { extension: "extra", pause: "for a pause", outage: "for time without contact" };
  return (
    <section aria-labelledby="ledger-heading">
      <h3 id="ledger-heading">Time given</h3>
      <ul>
        {session.timeLedger.map(({ kind, ms, reason, actorId, at }) => (
          <li key={at + kind}>
            {lasting(ms)} {kinds[kind]} at {clock(at)}
            {reason && `: ${reason}`} {actorId && <span class="quiet">by {model.who(actorId)}</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** All of a session's activities, and those to everybody, in order: from REST, then as they come. */
function useTimeline(model: RoomModel, sessionId: string): { timeline: Activity[]; problem: string } {
  const [timeline, setTimeline] = useState<Activity[]>([]);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    const known = new Map<number, Activity>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const add = (items: Activity[]) => {
      for (const item of items) known.set(item.offset, item);
      timer ??= setTimeout(() => {
        timer = undefined;
        setTimeline([...known.values()].sort((a, b) => a.offset - b.offset));
      }, 100);
    };
    const stop = model.follow(sessionId, add);
    model.api.all<Activity>(`/routes/proctoring/${sessionId}/activity`).then(add, (error: unknown) => setProblem(saying(error)));
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [model, sessionId]);
  // Fates are not in the log: whatever changed while the console was away is asked for when it is back.
  const live = model.caughtUp.value?.at;
  useEffect(() => {
    model.api.all<Command>(`/routes/proctoring/${sessionId}/commands`).then(
      (items) => model.takeCommands(items),
      (error: unknown) => setProblem(saying(error)),
    );
  }, [model, sessionId, live]);
  return { timeline, problem };
}
