/** What is where, and a search in it. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { matching, type Group } from "./contract";

/** What stands before the filtered part: titles and their hashes. */
export const FIRST = [
  ["introduction", "Introduction"],
  ["errors", "Errors"],
] as const;

function useHash(): string {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const look = () => setHash(location.hash);
    addEventListener("hashchange", look);
    return () => removeEventListener("hashchange", look);
  }, []);
  return hash.slice(1);
}

export function Contents({ groups }: { groups: Group[] }) {
  const [query, setQuery] = useState("");
  const here = useHash();
  const shown = useMemo(() => matching(groups, query), [groups, query]);
  const number = shown.reduce((sum, { entries }) => sum + entries.length, 0);
  const link = (id: string, title: string) => (
    <li key={id}>
      <a href={`#${id}`} aria-current={id === here ? "location" : undefined}>
        {title}
      </a>
    </li>
  );
  return (
    <nav aria-label="Contents" class="contents">
      <div class="field">
        <label for="filter">Find</label>
        <input
          id="filter"
          type="search"
          value={query}
          onInput={(event) => setQuery(event.currentTarget.value)}
          aria-describedby="filter-hint filter-count"
        />
        <small id="filter-hint" class="quiet">
          A method, path, event or word.
        </small>
        <small id="filter-count" role="status">
          {query.trim() ? `${number} found` : ""}
        </small>
      </div>
      {!query.trim() && <ul>{FIRST.map(([id, title]) => link(id, title))}</ul>}
      {shown.map(({ id, title, entries }) => (
        <div key={id}>
          <p class="group">
            <a href={`#${id}`}>{title}</a>
          </p>
          <ul>{entries.map((one) => link(one.id, one.title))}</ul>
        </div>
      ))}
    </nav>
  );
}
