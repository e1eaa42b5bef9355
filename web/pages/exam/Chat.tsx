/** What was written between the student and the proctors, and writing more. */

import { useEffect, useId, useRef, useState } from "preact/hooks";
import { saying } from "@shared/api";
import { Problem } from "@shared/parts";
import { hourAndMinute } from "@shared/time";
import type { Line, Talk } from "./talk";

/** `latest`: only so many lines, in place of all; then it is not the page's own list of messages. */
export function Chat({ talk, latest }: { talk: Talk; latest?: number }) {
  const id = useId();
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const log = useRef<HTMLDivElement>(null);
  const lines = latest ? talk.lines.value.slice(-latest) : talk.lines.value;
  useEffect(() => {
    if (log.current) log.current.scrollTop = log.current.scrollHeight;
  }, [lines.at(-1)?.key]);
  useEffect(() => {
    if (latest || !log.current) return;
    const observer = new IntersectionObserver((entries) => talk.see(entries.at(-1)!.isIntersecting));
    observer.observe(log.current);
    return () => observer.disconnect();
  }, [talk, latest]);
  const send = async (event: Event) => {
    event.preventDefault();
    if (!text.trim()) return;
    try {
      await talk.say(text.trim());
      setText("");
      setProblem("");
    } catch (error) {
      setProblem(saying(error));
    }
  };
  return (
    <section class="chat" id={latest ? undefined : "messages"} aria-labelledby={id}>
      <h2 id={id}>Messages</h2>
      <div class="log" role="log" aria-labelledby={id} tabIndex={0} ref={log}>
        {lines.map((line) => (
          <Said key={line.key} line={line} />
        ))}
        {lines.length === 0 && <p class="quiet">None yet. What you write here, only the proctors read.</p>}
      </div>
      <form class="say" onSubmit={(event) => void send(event)}>
        <label for={`${id}-text`} class="hidden-visually">
          Message to the proctors
        </label>
        <input
          id={`${id}-text`}
          value={text}
          maxLength={2000}
          autocomplete="off"
          placeholder="Write to the proctors"
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button>Send</button>
      </form>
      <Problem>{problem}</Problem>
    </section>
  );
}

function Said({ line: { from, text, at, undelivered } }: { line: Line }) {
  return (
    <p class={from === null ? "own" : undefined}>
      <strong>{from ?? "You"}</strong> <time dateTime={new Date(at).toISOString()}>{hourAndMinute(at)}</time>
      <span>{text}</span>
      {undelivered && <em>This did not reach the proctors.</em>}
    </p>
  );
}
