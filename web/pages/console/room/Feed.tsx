/** What happens, as it happens: newest first, with filters, and held still on demand. */

import { memo } from "preact/compat";
import { useId, useState } from "preact/hooks";
import type { Activity } from "@client/protocol";
import { clock } from "@shared/time";
import type { RoomModel } from "./model";
import { happened, saidWith, SEVERITIES } from "./words";

const MOST = 100;

type Kind = "all" | "serious" | "talk" | "connection";

const KINDS: [Kind, string][] = [
  ["serious", "Medium and worse"],
  ["all", "Everything"],
  ["talk", "Messages and hands"],
  ["connection", "Contact and connections"],
];
const TALK = new Set<Activity["type"]>(["chat", "hand_raised", "hand_lowered", "warned"]);
const CONNECTION = new Set<Activity["type"]>([
  "connected",
  "disconnected",
  "heartbeat_missing",
  "heartbeat_resumed",
  "network_lost",
  "network_restored",
  "second_connection",
  "server_restarted",
]);

function fits(item: Activity, kind: Kind): boolean {
  if (kind === "talk") return TALK.has(item.type);
  if (kind === "connection") return CONNECTION.has(item.type);
  return kind === "all" || TALK.has(item.type) || SEVERITIES.indexOf(item.severity) <= SEVERITIES.indexOf("medium");
}

export function Feed({ model, choose }: { model: RoomModel; choose: (id: string) => void }) {
  const id = useId();
  const [kind, setKind] = useState<Kind>("serious");
  const [held, setHeld] = useState<Activity[] | null>(null);
  void model.version.value;
  const items: Activity[] = [];
  const feed = held ?? model.feed;
  for (let at = feed.length - 1; at >= 0 && items.length < MOST; at -= 1) {
    const item = feed[at]!;
    if (fits(item, kind)) items.push(item);
  }
  const last = held?.[held.length - 1]?.offset;
  const behind = last === undefined ? 0 : model.feed.filter(({ offset }) => offset > last).length;
  return (
    <section class="feed" aria-labelledby={`${id}-heading`}>
      <div class="filters">
        <h2 id={`${id}-heading`}>What happens</h2>
        <label for={`${id}-kind`} class="hidden-visually">
          Show
        </label>
        <select id={`${id}-kind`} value={kind} onChange={(event) => setKind(event.currentTarget.value as Kind)}>
          {KINDS.map(([value, name]) => (
            <option value={value} key={value}>
              {name}
            </option>
          ))}
        </select>
        <button aria-pressed={held !== null} onClick={() => setHeld(held ? null : [...model.feed])}>
          {held ? `Go on (${behind} new)` : "Hold still"}
        </button>
      </div>
      <ol class="timeline" tabIndex={0} aria-labelledby={`${id}-heading`}>
        {items.map((item) => (
          <Happened key={item.offset} item={item} name={model.nameOf(item)} choose={choose} />
        ))}
      </ol>
      {items.length === 0 && <p class="quiet">Nothing yet.</p>}
    </section>
  );
}

export const Happened = memo(function Happened({
  item,
  name,
  by,
  choose,
}: {
  item: Activity;
  name?: string;
  by?: string | undefined;
  choose?: (id: string) => void;
}) {
  const { sessionId, severity } = item;
  const said = saidWith(item);
  return (
    <li class={severity}>
      <time dateTime={item.receivedAt}>{clock(item.receivedAt)}</time>{" "}
      {name && sessionId && choose ? (
        <button class="name" tabIndex={-1} onClick={() => choose(sessionId)}>
          {name}
        </button>
      ) : (
        name && <strong>{name}</strong>
      )}{" "}
      {happened(item)}
      {severity !== "info" && <span class={`count ${severity}`}>{severity}</span>}
      {item.late && <span class="quiet"> (reported late)</span>}
      {by && <span class="quiet"> by {by}</span>}
      {said && <span class="said">{said}</span>}
    </li>
  );
});
