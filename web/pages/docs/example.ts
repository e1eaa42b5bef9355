/** Examples: values made from their schemas, and lines that send them. */

import { choices, isNull, nameOf, type Schema, type Schemas } from "./schema";

const STRINGS: Record<string, string> = {
  "date-time": "2026-05-04T09:00:00.000Z",
  uuid: "6f1c3f0e-8f5a-4c1e-9d55-0a2f0b8a6f10",
};

/**
 * A value that the schema takes. With `every`, as an answer has it: each field is there and none is null where it need
 * not be. Without, as it is sent: what is null by default is left out.
 */
export function exampleOf(schema: Schema, schemas: Schemas, every = false): unknown {
  return value(schema, schemas, every, "text", []);
}

function value(schema: Schema, schemas: Schemas, every: boolean, name: string, seen: string[]): unknown {
  if (schema.$ref) {
    const found = schemas[nameOf(schema.$ref)];
    if (!found || seen.includes(schema.$ref)) return null;
    return value(found, schemas, every, name, [...seen, schema.$ref]);
  }
  if (schema.const !== undefined) return schema.const;
  if (schema.examples?.length) return schema.examples[0];
  if (!every && schema.default !== undefined && schema.default !== null) return schema.default;
  if (schema.enum?.length) return schema.enum[0];
  const [first = schema] = choices(schema).filter((one) => !isNull(one));
  if (first !== schema) return value(first, schemas, every, name, seen);
  switch (schema.type) {
    case "object":
      return Object.fromEntries(
        Object.entries(schema.properties ?? {})
          .filter(([, one]) => every || one.default !== null)
          .map(([key, one]) => [key, value(one, schemas, every, key, seen)]),
      );
    case "array":
      return [value(schema.items ?? {}, schemas, every, name, seen)];
    case "integer":
    case "number":
      return schema.minimum ?? Math.min(1, schema.maximum ?? 1);
    case "boolean":
      return true;
    case "string":
      return text(schema, name);
    default:
      return schema.properties ? value({ ...schema, type: "object" }, schemas, every, name, seen) : null;
  }
}

/** A field's own name is the plainest text for it. */
function text(schema: Schema, name: string): string {
  const known = schema.format && STRINGS[schema.format];
  if (known) return known;
  const one = schema.pattern?.includes("@") ? "someone@example.org" : name;
  return one.padEnd(schema.minLength ?? 0, "x").slice(0, schema.maxLength);
}

export function pretty(json: unknown): string {
  return JSON.stringify(json, null, 2);
}

/** The line that sends a request from a shell. */
export function curl(
  method: string,
  url: string,
  { token, body }: { token: boolean; body?: { type: string; content: string } },
): string {
  const lines = [`curl -X ${method.toUpperCase()} ${quoted(url)}`];
  if (token) lines.push('-H "Authorization: Bearer $TOKEN"');
  if (body) lines.push(`-H ${quoted(`Content-Type: ${body.type}`)}`, `-d ${quoted(body.content)}`);
  return lines.join(" \\\n  ");
}

function quoted(argument: string): string {
  return `'${argument.replaceAll("'", "'\\''")}'`;
}

/** The lines that send an event and await its ack. */
export function emit(url: string, event: string, payload: unknown): string {
  return `${connect(url)}\nconst ack = await socket.emitWithAck(${JSON.stringify(event)}, ${pretty(payload)});`;
}

/** The lines that listen for an event. */
export function listen(url: string, event: string): string {
  return `${connect(url)}\nsocket.on(${JSON.stringify(event)}, (data) => console.log(data));`;
}

function connect(url: string): string {
  return `const socket = io(${JSON.stringify(url)}, { auth: { token } });`;
}
