/** The students who need somebody now, so that two among five hundred are seen at a glance. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Row } from "./model";

const MOST = 8;
const SAY_EVERY_MS = 3000;

export function Urgent({ rows, choose, all }: { rows: Row[]; choose: (id: string) => void; all: () => void }) {
  const urgent = rows.filter(({ attention }) => attention.level === "urgent");
  return (
    <section class="urgent" aria-labelledby="urgent-heading">
      <h2 id="urgent-heading">
        {urgent.length ? `${urgent.length} need${urgent.length === 1 ? "s" : ""} you now` : "Nobody needs you now"}
      </h2>
      <Said urgent={urgent} />
      <ul>
        {urgent.slice(0, MOST).map(({ session, attention }) => (
          <li key={session.id}>
            <button onClick={() => choose(session.id)}>
              <strong>{session.user.name}</strong>
              {attention.reasons.map((reason) => (
                <span key={reason}>{reason}</span>
              ))}
            </button>
          </li>
        ))}
        {urgent.length > MOST && (
          <li>
            <button class="more" onClick={all}>
              and {urgent.length - MOST} more: show them all
            </button>
          </li>
        )}
      </ul>
    </section>
  );
}

/** Says who is new among them, to who cannot see it; all that came within three seconds at once. */
function Said({ urgent }: { urgent: Row[] }) {
  const [said, setSaid] = useState("");
  const latest = useRef(urgent);
  latest.current = urgent;
  useEffect(() => {
    let before = new Set(latest.current.map(({ session }) => session.id));
    const timer = setInterval(() => {
      const fresh = latest.current.filter(({ session }) => !before.has(session.id));
      before = new Set(latest.current.map(({ session }) => session.id));
      if (!fresh.length) return;
      const first = fresh[0]!;
      setSaid(
        fresh.length === 1
          ? `${first.session.user.name}: ${first.attention.reasons[0]}`
          : `${fresh.length} more need you: ${fresh.slice(0, 3).map(({ session }) => session.user.name).join(", ")}`,
      );
    }, SAY_EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <p class="hidden-visually" role="status">
      {said}
    </p>
  );
}
