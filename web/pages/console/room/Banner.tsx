/** Whether this console is live, since when not, and the proof that it has caught up. */

import { clock, lasting } from "@shared/time";
import type { RoomModel } from "./model";

export function Banner({ model }: { model: RoomModel }) {
  const { state, error, since } = model.connection.value;
  const caught = model.caughtUp.value;
  const live = state === "online";
  return (
    <>
      <p class="banner not-live" role="alert" hidden={live}>
        {!live && (
          <>
            <strong>This console is not live.</strong>{" "}
            {state === "refused"
              ? `${error?.message ?? "The server refused."} Sign in again, or go back to the exams.`
              : `What you see is as of ${clock(since)}. Students are not affected. Trying again…`}
          </>
        )}
      </p>
      <p class="banner live" role="status" hidden={!live}>
        {live && caught && (
          <>
            <strong>Live</strong> since {clock(since)}.{" "}
            {caught.first
              ? `All up to event ${caught.offset} is here.`
              : `Caught up at ${clock(caught.at)}: ${caught.missed} event${caught.missed === 1 ? "" : "s"} that happened while this console was away. Nothing is missing up to event ${caught.offset}.`}
          </>
        )}
      </p>
      {!live && state !== "refused" && Date.now() - since > 60_000 && (
        <p class="quiet">Not live for {lasting(Date.now() - since)}. Is this computer’s network all right?</p>
      )}
    </>
  );
}
