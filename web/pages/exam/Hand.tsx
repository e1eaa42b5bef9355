/** Raising the hand, and that it is up. */

import { useState } from "preact/hooks";
import { saying } from "@shared/api";
import { Problem } from "@shared/parts";
import type { Taking } from "./taking";

export function Hand({ taking }: { taking: Taking }) {
  const [problem, setProblem] = useState("");
  const up = taking.handUp.value;
  const toggle = () => {
    setProblem("");
    taking.raiseHand(!up).catch((error: unknown) => setProblem(saying(error)));
  };
  return (
    <div class="hand">
      <button onClick={toggle}>{up ? "Lower hand" : "Raise hand"}</button>
      <p role="status">
        {taking.handWaits.value
          ? "The proctors see this as soon as the connection is back."
          : up && "Your hand is up: a proctor comes to you or writes to you."}
      </p>
      <Problem>{problem}</Problem>
    </div>
  );
}
