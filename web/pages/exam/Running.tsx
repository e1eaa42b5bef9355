/** The exam while it is not over: the waiting room first, where there is one, then the work. */

import { useEffect } from "preact/hooks";
import { Bar } from "./Bar";
import { Chat } from "./Chat";
import { Demonstration } from "./Demonstration";
import { Fullscreen } from "./Fullscreen";
import { Hand } from "./Hand";
import { HandIn } from "./HandIn";
import { Notices } from "./Notices";
import type { Taking } from "./taking";
import "./running.css";

export function Running({ taking }: { taking: Taking }) {
  const waiting = taking.session.value?.status === "WAITING";
  // What has the focus is never under the bar, which stays on top of what is scrolled.
  useEffect(() => {
    document.documentElement.classList.add("with-bar");
    return () => document.documentElement.classList.remove("with-bar");
  }, []);
  return (
    <>
      <Bar taking={taking} />
      <main class="exam">
        <Notices taking={taking} />
        <div class="work">
          {waiting ? <Lobby /> : <Demonstration />}
          <div class="actions">
            {!waiting && <HandIn handingIn={taking.handingIn} />}
            <Fullscreen />
          </div>
        </div>
        <div class="help">
          <Hand taking={taking} />
          <Chat talk={taking.talk} />
        </div>
      </main>
    </>
  );
}

function Lobby() {
  return (
    <section aria-labelledby="lobby">
      <h2 id="lobby">A proctor will let you in</h2>
      <p>
        Please wait, and keep this page open: it goes on by itself. Your time has not begun. If it takes long, raise
        your hand or write to the proctors.
      </p>
    </section>
  );
}
