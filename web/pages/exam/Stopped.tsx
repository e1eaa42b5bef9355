/** This page takes no part any more: another one does, or the server refuses it. As a page, or over the exam. */

import type { ComponentChildren } from "preact";
import { Firm } from "./Firm";
import { useStep, useTitle } from "./step";
import type { Taking } from "./taking";
import { refusalOf } from "./words";

interface Ways {
  back: () => void;
  signInAgain: () => void;
}

export function Stopped({ taking, inDialog, ...ways }: { taking: Taking; inDialog?: boolean } & Ways) {
  const { state, error } = taking.connection.value;
  const { title, text, next } = state === "replaced" ? ELSEWHERE : refusalOf(error);
  useTitle(`${title} · Exam`);
  const actions = {
    here: { name: "Go on here", act: () => location.reload() },
    "sign in": { name: "Sign in again", act: ways.signInAgain },
    exams: { name: "Back to the exams", act: ways.back },
  };
  const { name, act } = actions[next];
  const body = (
    <>
      <p>{text}</p>
      <div class="actions">
        <button class="primary" onClick={act}>
          {name}
        </button>
      </div>
    </>
  );
  return inDialog ? <Firm title={title}>{body}</Firm> : <Page title={title}>{body}</Page>;
}

const ELSEWHERE = {
  title: "Opened on another device or tab",
  text: "So this page takes no part in the exam any more. Go on there. Or go on here: then the other one stops.",
  next: "here",
} as const;

function Page({ title, children }: { title: string; children: ComponentChildren }) {
  const heading = useStep(`${title} · Exam`);
  return (
    <main class="narrow">
      <h1 ref={heading} tabIndex={-1}>
        {title}
      </h1>
      {children}
    </main>
  );
}
