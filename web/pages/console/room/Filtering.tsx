/** Search and filters over the students. */

import { useId } from "preact/hooks";
import { NO_FILTERS, type Filters } from "./filters";
import { CONNECTIVITY, VERDICTS } from "./words";

type Choice = [value: string, name: string];

const ONLY: Choice[] = [
  ["", "Everybody"],
  ["attention", "Need attention"],
  ["hand", "Hand raised"],
  ["running", "Not done"],
  ["over", "Done"],
];
const SEVERITY: Choice[] = [
  ["", "Any events"],
  ["critical", "Critical events"],
  ["high", "Serious and worse"],
  ["medium", "Medium and worse"],
  ["low", "Low and worse"],
];

export function Filtering({
  filters,
  change,
  shown,
  of,
}: {
  filters: Filters;
  change: (filters: Filters) => void;
  shown: number;
  of: number;
}) {
  const id = useId();
  const set = (name: keyof Filters) => (event: Event) =>
    change({ ...filters, [name]: (event.currentTarget as HTMLInputElement | HTMLSelectElement).value });
  const changed = Object.entries(filters).some(([name, value]) => value !== NO_FILTERS[name as keyof Filters]);
  return (
    <div class="filters">
      <h2 id="students-heading">Students</h2>
      <label for={`${id}-text`} class="hidden-visually">
        Search students
      </label>
      <input id={`${id}-text`} type="search" placeholder="Search by name" value={filters.text} onInput={set("text")} />
      <Select label="Show" choices={ONLY} value={filters.only} change={set("only")} />
      <Select
        label="Contact"
        choices={[["", "Any contact"], ...Object.entries(CONNECTIVITY)]}
        value={filters.connectivity}
        change={set("connectivity")}
      />
      <Select label="Severity" choices={SEVERITY} value={filters.severity} change={set("severity")} />
      <Select
        label="Verdict"
        choices={[["", "Any verdict"], ...Object.entries(VERDICTS)]}
        value={filters.verdict}
        change={set("verdict")}
      />
      {changed && <button onClick={() => change(NO_FILTERS)}>Show all</button>}
      <span class="quiet" role="status">
        {changed ? `${shown} of ${of}` : of}
      </span>
    </div>
  );
}

function Select({
  label,
  choices,
  value,
  change,
}: {
  label: string;
  choices: Choice[];
  value: string;
  change: (event: Event) => void;
}) {
  const id = useId();
  return (
    <>
      <label for={id} class="hidden-visually">
        {label}
      </label>
      <select id={id} value={value} onChange={change}>
        {choices.map(([one, name]) => (
          <option value={one} key={one}>
            {name}
          </option>
        ))}
      </select>
    </>
  );
}
