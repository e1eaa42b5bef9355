/** Which students are shown. */

import type { ProctoringSession } from "@client/protocol";
import type { Row } from "./model";
import type { Severity } from "./words";

export interface Filters {
  text: string;
  only: "" | "attention" | "hand" | "running" | "over";
  connectivity: "" | ProctoringSession["connectivity"];
  /** Those with at least one event so severe or more. */
  severity: "" | Exclude<Severity, "info">;
  verdict: "" | NonNullable<ProctoringSession["verdict"]>;
}

export const NO_FILTERS: Filters = { text: "", only: "", connectivity: "", severity: "", verdict: "" };

const FROM = ["critical", "high", "medium", "low"] as const;

export function matching(rows: Row[], filters: Filters): Row[] {
  const text = filters.text.trim().toLocaleLowerCase();
  return rows.filter(({ session, attention: { level } }) => {
    if (text && !session.user.name.toLocaleLowerCase().includes(text)) return false;
    if (filters.only === "attention" && level !== "urgent" && level !== "watch") return false;
    if (filters.only === "hand" && !session.hand) return false;
    if (filters.only === "running" && level === "over") return false;
    if (filters.only === "over" && level !== "over") return false;
    if (filters.connectivity && session.connectivity !== filters.connectivity) return false;
    if (filters.verdict && session.verdict !== filters.verdict) return false;
    if (!filters.severity) return true;
    const severe = FROM.slice(0, FROM.indexOf(filters.severity) + 1);
    return severe.some((one) => (session.counts?.[one] ?? 0) > 0);
  });
}
