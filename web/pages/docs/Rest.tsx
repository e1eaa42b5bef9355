/** The operations of REST. */

import { Fragment } from "preact";
import { useContext } from "preact/hooks";
import type { Answer, Operation } from "./contract";
import { curl, exampleOf, pretty } from "./example";
import { Fields, Known, Rows, Type } from "./Shapes";
import { About, Code, Text } from "./Text";
import type { Schemas } from "./schema";

const TOKEN = {
  needed: "Needs a token.",
  optional: "Works without a token.",
} as const;

export function RestOperation({ of: one }: { of: Operation }) {
  const { schemas } = useContext(Known);
  return (
    <>
      <About of={one.about} />
      <p class="quiet">{TOKEN[one.token]}</p>
      {one.parameters.length > 0 && (
        <>
          <h5>Parameters</h5>
          <Rows
            caption={`Parameters of ${one.title}`}
            rows={one.parameters.map((given) => ({
              name: given.in === "path" ? `{${given.name}}` : given.in === "query" ? `?${given.name}` : given.name,
              required: given.required ?? false,
              schema: given.description ? { ...given.schema, description: given.description } : given.schema,
            }))}
          />
        </>
      )}
      {Object.entries(one.body).map(([type, { schema, example }]) => (
        <Fragment key={type}>
          <h5>
            Body: <Type of={schema} />
          </h5>
          <p class="quiet">{type}</p>
          <About of={schema.$ref ? "" : (schema.description ?? "")} />
          <Fields of={schema} caption={`Body of ${one.title}`} />
          <h5>Example of a body</h5>
          <Code what={`the body of ${one.title} as ${type}`}>
            {shown(example ?? exampleOf(schema, schemas), pretty)}
          </Code>
        </Fragment>
      ))}
      <h5>From a shell</h5>
      <Code what={`the curl line of ${one.title}`}>{line(one, schemas)}</Code>
      <h5>Answers</h5>
      <ul class="answers">
        {one.answers.map(([status, answer]) => (
          <li key={status}>
            <AnswerOf of={answer} status={status} operation={one.title} />
          </li>
        ))}
      </ul>
    </>
  );
}

function line(one: Operation, schemas: Schemas): string {
  const path = one.path.replaceAll(/\{(\w+)\}/g, (whole, name) => {
    const schema = one.parameters.find((given) => given.in === "path" && given.name === name)?.schema;
    return schema ? String(exampleOf(schema, schemas)) : whole;
  });
  const [body] = Object.entries(one.body).map(([type, { schema, example = exampleOf(schema, schemas) }]) => ({
    type,
    content: shown(example, JSON.stringify),
  }));
  return curl(one.method, location.origin + path, { token: one.token === "needed", ...(body && { body }) });
}

/** Text, such as CSV, is shown as it is. */
function shown(example: unknown, asJson: (value: unknown) => string): string {
  return typeof example === "string" ? example : asJson(example);
}

function AnswerOf({ of, status, operation }: { of: Answer; status: string; operation: string }) {
  const { schemas } = useContext(Known);
  const schema = Object.values(of.content ?? {})[0]?.schema;
  const good = status.startsWith("2");
  return (
    <>
      <strong class={good ? "good" : "bad"}>{status}</strong> {schema ? <Type of={schema} /> : "without a body"}
      {of.description && (
        <>
          : <Text of={of.description} />
        </>
      )}
      {schema && good && (
        <details>
          <summary>
            Fields and an example<span class="hidden-visually">{` of ${status} to ${operation}`}</span>
          </summary>
          <Fields of={schema} caption={`Answer ${status} to ${operation}`} />
          <Code what={`the answer ${status} to ${operation}`}>{pretty(exampleOf(schema, schemas, true))}</Code>
        </details>
      )}
    </>
  );
}
