/** Who needs a proctor now, and why: in words, and in an order. */

import { isOver } from "@client/exam";
import type { ProctoringSession } from "@client/protocol";
import { lasting } from "@shared/time";

/** `urgent`: somebody waits for help or is out of reach; `watch`: worth a look; `over`: the session has ended. */
export type Level = "urgent" | "watch" | "calm" | "over";

export interface Attention {
  level: Level;
  /** The first is the one that matters most. */
  reasons: string[];
  /** Since when, in milliseconds since 1970: those who wait longest come first. */
  since: number;
}

/** What a student wrote that nobody has answered or looked at. */
export interface Unread {
  text: string;
  since: number;
}

const ORDER: Record<Level, number> = { urgent: 0, watch: 1, calm: 2, over: 3 };

export function attention(session: ProctoringSession, now: number, unread?: Unread): Attention {
  const found: { level: "urgent" | "watch"; why: string; since: number }[] = [];
  const add = (level: "urgent" | "watch", why: string, since: number) => found.push({ level, why, since });
  const { hand, counts, verdict } = session;
  const open = verdict === "UNREVIEWED" || verdict === undefined || verdict === null;
  const last = session.lastActivityAt ? Date.parse(session.lastActivityAt) : now;
  if (!isOver(session.status)) {
    if (hand) {
      const since = Date.parse(hand.raisedAt);
      add("urgent", `Hand raised ${ago(now - since)}${hand.text ? `: “${hand.text}”` : ""}`, since);
    }
    if (session.connectivity === "MISSING") {
      const since = Date.parse(session.lastHeartbeatAt ?? session.startTime);
      add("urgent", `No contact for ${lasting(now - since)}`, since);
    }
    if (unread) add("urgent", `Wrote ${ago(now - unread.since)}: “${unread.text}”`, unread.since);
    // The only critical event is a second device.
    if (counts?.critical && open) add("urgent", "Connected from a second device, not reviewed", last);
    if (session.status === "WAITING") add("watch", "Waiting to be let in", Date.parse(session.startTime));
    if (session.status === "PAUSED") add("watch", "Paused", Date.parse(session.updatedAt));
    if (session.connectivity === "LATE") add("watch", "Heartbeat is late", now);
    if (counts?.high && open) add("watch", `${times(counts.high, "serious event")}, not reviewed`, last);
  }
  const reasons = found.map(({ why }) => why);
  const urgent = found.filter(({ level }) => level === "urgent");
  const level = isOver(session.status) ? "over" : urgent.length ? "urgent" : found.length ? "watch" : "calm";
  return { level, reasons, since: Math.min(...(urgent.length ? urgent : found).map(({ since }) => since), now) };
}

interface Ordered {
  attention: Attention;
  /** In the alphabet. */
  place: number;
}

/** Those who need attention first, among them those who wait longest; then by name. */
export function inOrder(a: Ordered, b: Ordered): number {
  const byLevel = ORDER[a.attention.level] - ORDER[b.attention.level];
  if (byLevel) return byLevel;
  if (a.attention.level === "urgent" && a.attention.since !== b.attention.since) {
    return a.attention.since - b.attention.since;
  }
  return a.place - b.place;
}

/** Where a name stands in the alphabet is found once a name, not at each of four sorts a second. */
export function alphabetical(names: Map<string, string>): Map<string, number> {
  const sorted = [...names].sort(([, a], [, b]) => NAMES.compare(a, b));
  return new Map(sorted.map(([id], place) => [id, place]));
}

const NAMES = new Intl.Collator(undefined, { numeric: true });

function ago(ms: number): string {
  return ms < 5000 ? "just now" : `${lasting(ms)} ago`;
}

function times(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
