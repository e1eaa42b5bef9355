/** A long list, a hundred at a time. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

const ROWS = 100;

/** What is shown of `items` now, and the buttons that lead to the rest. With another `search` it begins anew. */
export function usePaging<T>(items: T[], what: string, search = ""): [shown: T[], pager: JSX.Element | null] {
  const [wanted, setPage] = useState(0);
  useEffect(() => setPage(0), [search]);
  const last = Math.max(0, Math.ceil(items.length / ROWS) - 1);
  const page = Math.min(wanted, last);
  const from = page * ROWS;
  const shown = items.slice(from, from + ROWS);
  if (!last) return [shown, null];
  const number = (value: number) => value.toLocaleString("en");
  return [
    shown,
    <nav class="pager" aria-label={`Pages of ${what}`}>
      <button type="button" aria-disabled={page === 0} onClick={() => setPage(Math.max(0, page - 1))}>
        Previous
      </button>
      <span role="status">
        {number(from + 1)} to {number(from + shown.length)} of {number(items.length)}
      </span>
      <button type="button" aria-disabled={page === last} onClick={() => setPage(Math.min(last, page + 1))}>
        Next
      </button>
    </nav>,
  ];
}
