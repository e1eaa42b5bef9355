/** Handing in, which is asked once more, waits for the connection where it has to, and can be taken back until then. */

import { useState } from "preact/hooks";
import { saying } from "@shared/api";
import { Dialog, Form, Problem } from "@shared/parts";
import type { HandingIn } from "./handing";

export function HandIn({ handingIn }: { handingIn: HandingIn }) {
  const [asking, setAsking] = useState(false);
  const waiting = handingIn.waiting.value && !asking;
  const problem = handingIn.problem.value;
  const close = () => setAsking(false);
  return (
    <>
      <div class="handing">
        <p role="status" class={waiting ? "notice" : undefined}>
          {waiting &&
            "Not handed in yet. It will be as soon as the connection is back and all is sent: keep this page open."}
        </p>
        <Problem>{problem ? saying(problem) : ""}</Problem>
      </div>
      <button class="primary" onClick={() => (waiting ? handingIn.takeBack() : setAsking(true))}>
        {waiting ? "Do not hand in yet" : "Hand in"}
      </button>
      {asking && (
        <Dialog title="Hand in the exam?" close={close}>
          <p>This cannot be undone: the exam is over for you then, also if you have time left.</p>
          <p role="status">{handingIn.waiting.value && "Handing in…"}</p>
          <Form action="Hand in" cancel={close} submit={() => handingIn.want().finally(close)} />
        </Dialog>
      )}
    </>
  );
}
