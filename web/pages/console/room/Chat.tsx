/** What was written between proctors and one student. */

import { useEffect, useRef, useState } from "preact/hooks";
import { isOver } from "@client/exam";
import type { Activity, ProctoringSession } from "@client/protocol";
import { saying } from "@shared/api";
import { Problem } from "@shared/parts";
import { clock } from "@shared/time";
import type { RoomModel } from "./model";

export function Chat({
  model,
  session,
  messages,
}: {
  model: RoomModel;
  session: ProctoringSession;
  messages: Activity[];
}) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const log = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (log.current) log.current.scrollTop = log.current.scrollHeight;
  }, [messages.length]);
  const send = async (event: Event) => {
    event.preventDefault();
    if (!text.trim()) return;
    try {
      await model.client.chat(text.trim(), session.id);
      setText("");
      setProblem("");
    } catch (error) {
      setProblem(saying(error));
    }
  };
  return (
    <section aria-labelledby="chat-heading">
      <h3 id="chat-heading">Messages</h3>
      <div class="chat" role="log" aria-labelledby="chat-heading" tabIndex={0} ref={log}>
        {messages.map((item) => (
          <p key={item.offset} class={item.source}>
            <time dateTime={item.receivedAt}>{clock(item.receivedAt)}</time>{" "}
            <strong>
              {item.source === "client" ? session.user.name : model.who(item.actorId)}
              {item.data["to"] === "exam" && " to all"}:
            </strong>{" "}
            {item.data["text"] ?? <em>erased</em>}
          </p>
        ))}
        {messages.length === 0 && <p class="quiet">No messages.</p>}
      </div>
      {!isOver(session.status) && (
        <form class="say" onSubmit={(event) => void send(event)}>
          <label for="say" class="hidden-visually">
            Message to {session.user.name}
          </label>
          <input id="say" value={text} maxLength={2000} autocomplete="off" onInput={(event) => setText(event.currentTarget.value)} />
          <button class="primary">Send</button>
        </form>
      )}
      <Problem>{problem}</Problem>
    </section>
  );
}
