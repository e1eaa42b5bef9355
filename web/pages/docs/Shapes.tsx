/** Schemas as tables. A reference is a link to its own table, so that no shape is shown within itself. */

import { createContext, Fragment, type ComponentChildren } from "preact";
import { useContext } from "preact/hooks";
import { idOf } from "./contract";
import {
  choices,
  describe,
  fieldsOf,
  isNull,
  nameOf,
  resolved,
  rulesOf,
  type Field,
  type Schema,
  type Schemas,
} from "./schema";
import { Text } from "./Text";

/** Whose schemas are meant by a reference: REST's, or the events'. */
export const Known = createContext<{ kind: string; schemas: Schemas }>({ kind: "", schemas: {} });

/** "list of User", "string or null" */
export function Type({ of }: { of: Schema }) {
  const { kind } = useContext(Known);
  if (of.$ref) {
    const name = nameOf(of.$ref);
    return <a href={`#${idOf("shape", kind, name)}`}>{name}</a>;
  }
  const several = choices(of);
  if (several.length > 1) {
    const inOrder = [...several].sort((a, b) => Number(isNull(a)) - Number(isNull(b)));
    return (
      <>
        {inOrder.map((one, at) => (
          <Fragment key={at}>
            {at > 0 && " or "}
            <Type of={one} />
          </Fragment>
        ))}
      </>
    );
  }
  if (of.const !== undefined) return <code>{JSON.stringify(of.const)}</code>;
  if (of.type === "array")
    return (
      <>
        list of <Type of={of.items ?? {}} />
      </>
    );
  if (typeof of.additionalProperties === "object")
    return (
      <>
        object of <Type of={of.additionalProperties} />
      </>
    );
  return <>{of.type ?? (of.enum ? "string" : of.properties ? "object" : "anything")}</>;
}

export function Rules({ of }: { of: Schema }) {
  return (
    <ul class="rules">
      {rulesOf(of).map(({ says, code }) => (
        <li key={says}>
          {says}
          {code !== undefined && (
            <>
              {" "}
              <code>{code}</code>
            </>
          )}
        </li>
      ))}
    </ul>
  );
}

/** One cell of each row; a column of which all are empty is left out. */
const COLUMNS: { title: string; has: (row: Field) => boolean; cell: (row: Field) => ComponentChildren }[] = [
  { title: "Type", has: () => true, cell: ({ schema }) => <Type of={schema} /> },
  { title: "Required", has: () => true, cell: ({ required }) => (required ? "yes" : "no") },
  { title: "Rules", has: ({ schema }) => rulesOf(schema).length > 0, cell: ({ schema }) => <Rules of={schema} /> },
  {
    title: "Description",
    has: ({ schema }) => describe(schema) !== "",
    cell: ({ schema }) => <Text of={describe(schema)} />,
  },
];

/** On a narrow screen the cells stand below each other (docs.css): the roles keep it a table for who listens to it. */
export function Rows({ caption, rows }: { caption: string; rows: Field[] }) {
  const columns = COLUMNS.filter(({ has }) => rows.some(has));
  return (
    <table role="table" class="fields">
      <caption class="hidden-visually">{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {["Name", ...columns.map(({ title }) => title)].map((title) => (
            <th key={title} role="columnheader" scope="col">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={row.name} role="row">
            <th role="rowheader" scope="row">
              <code>{row.name}</code>
            </th>
            {columns.map(({ title, has, cell }) => (
              <td key={title} role="cell" {...(has(row) ? { "data-label": title } : { class: "empty" })}>
                {has(row) && cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The fields of an object, or of a list's objects; what there is to say of another schema. */
export function Fields({ of, caption }: { of: Schema; caption: string }) {
  const { schemas } = useContext(Known);
  const rows = fieldsOf(of, schemas);
  const found = resolved(of, schemas);
  return (
    <>
      {rulesOf(found).length > 0 && <Rules of={found} />}
      {rows.length > 0 && <Rows caption={caption} rows={rows} />}
      {found.properties && !rows.length && <p class="quiet">It has no fields.</p>}
    </>
  );
}
