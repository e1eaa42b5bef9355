/** Many accounts at once, from a list. */

import { useEffect, useRef, useState } from "preact/hooks";
import { saying } from "@shared/api";
import { useSay } from "./Announcer";
import { Confirm } from "./Confirm";
import { Heading, useRefocus } from "./Heading";
import { currentImport, Import, type Progress } from "./importing";
import { ImportResult } from "./ImportResult";
import { ImportSource } from "./ImportSource";
import type { Shown } from "./index";
import { doubtsOf, peopleOf, type Listing } from "./listing";
import { Preview } from "./Preview";
import { count } from "./words";

export function ImportPage({ api, who }: Shown) {
  const current = currentImport.value;
  const now = current?.progress.value;
  const [text, setText] = useState("");
  const [leaving, setLeaving] = useState(false);
  const [heading, refocus] = useRefocus<HTMLHeadingElement>();
  useDone(now);
  const start = (listing: Listing) => {
    const fresh = new Import(api, who.id, listing.people);
    currentImport.value = fresh;
    setText("");
    void fresh.run();
    refocus();
  };
  const another = () => {
    currentImport.value = null;
    setLeaving(false);
    refocus();
  };
  return (
    <>
      <Heading title="Import people" at={heading} />
      <p class="links">
        <a href="#/manage/users">All users</a>
      </p>
      {current && now ? (
        now.running ? (
          <Running now={now} stop={() => current.stop()} />
        ) : (
          <>
            <ImportResult api={api} current={current} now={now} />
            <p>
              <button onClick={() => (now.unsaved ? setLeaving(true) : another())}>Import another list</button>
            </p>
          </>
        )
      ) : (
        <>
          <ImportSource text={text} change={setText} />
          <Understood text={text} start={start} />
        </>
      )}
      {leaving && (
        <Confirm title="Give up the passwords?" action="Give them up" act={another} close={() => setLeaving(false)}>
          <p>
            The passwords of this import have not been downloaded, and are shown nowhere else. Without them each of
            these people needs a new password.
          </p>
        </Confirm>
      )}
    </>
  );
}

function Understood({ text, start }: { text: string; start: (listing: Listing) => void }) {
  if (!text.trim()) return null;
  let listing: Listing;
  try {
    listing = peopleOf(text);
  } catch (error) {
    return (
      <p class="problem" role="status">
        {saying(error)}
      </p>
    );
  }
  return <Preview {...listing} doubts={doubtsOf(listing.people)} start={() => start(listing)} />;
}

function Running({ now, stop }: { now: Progress; stop: () => void }) {
  const done = now.made.length + now.refused.length;
  return (
    <>
      <p class="notice">Stay on this site until the import is done; the other pages of the console can be used.</p>
      <label class="progress">
        Accounts made or refused: {done.toLocaleString("en")} of {now.total.toLocaleString("en")}
        <progress max={now.total} value={done} />
      </label>
      <div class="actions">
        <button onClick={stop}>Stop the import</button>
      </div>
    </>
  );
}

/** Say when an import that was seen running is done. */
function useDone(now: Progress | undefined): void {
  const say = useSay();
  const wasRunning = useRef(false);
  useEffect(() => {
    if (now && wasRunning.current && !now.running) {
      say(`The import is done: ${count(now.made.length, "account")} made, ${now.refused.length} refused.`);
    }
    wasRunning.current = now?.running ?? false;
  }, [now]);
}
