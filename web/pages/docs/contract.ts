/** The two documents that the server publishes, as a list of what there is to show. */

import { nameOf, resolved, type Schema, type Schemas } from "./schema";

export interface Entry {
  /** Its place in the page: the hash of a link to it. */
  id: string;
  title: string;
  about: string;
}

export interface Group<One extends Entry = Entry> {
  id: string;
  title: string;
  about: string;
  entries: One[];
}

type Content = Record<string, { schema: Schema; example?: unknown }>;

export interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema: Schema;
}

export interface Answer {
  description?: string;
  content?: Content;
}

interface RestOperation {
  summary?: string;
  description?: string;
  parameters?: Parameter[];
  requestBody?: { content: Content };
  responses: Record<string, Answer>;
  security?: Record<string, string[]>[];
}

export interface OpenApi {
  info: { title: string; version: string };
  paths: Record<string, Record<string, RestOperation>>;
  components: { schemas: Schemas };
}

interface Message {
  name: string;
  summary?: string;
  payload: Schema;
}

interface Reference {
  $ref: string;
}

export interface AsyncApi {
  info: { title: string; version: string; description?: string };
  channels: Record<string, { address: string; description?: string; messages: Record<string, Message> }>;
  operations: Record<
    string,
    { action: "send" | "receive"; channel: Reference; messages: Reference[]; reply?: { messages: Reference[] } }
  >;
  components: { schemas: Schemas };
}

export interface Operation extends Entry {
  method: string;
  path: string;
  token: "needed" | "optional";
  parameters: Parameter[];
  body: Content;
  answers: [status: string, Answer][];
}

/** An event; one that a client sends has an ack. */
export interface Event extends Entry {
  namespace: string;
  payload: Schema;
  ack?: { whole: Schema; data: Schema };
}

export interface Shape extends Entry {
  schema: Schema;
}

/** "rest", "POST /routes/users" → "rest-post-routes-users" */
export function idOf(...parts: string[]): string {
  return parts
    .join(" ")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter(Boolean)
    .join("-");
}

export function operationsOf({ paths }: OpenApi): Group<Operation>[] {
  const groups = new Map<string, Group<Operation>>();
  for (const [path, item] of Object.entries(paths)) {
    const [, routes, resource] = path.split("/");
    const title = routes === "routes" && resource ? resource : "server";
    const group = groups.get(title) ?? { id: idOf("rest", title), title, about: "", entries: [] };
    groups.set(title, group);
    for (const [method, one] of Object.entries(item)) {
      group.entries.push({
        id: idOf("rest", method, path),
        title: `${method.toUpperCase()} ${path}`,
        about: [one.summary, one.description].filter(Boolean).join(" "),
        method,
        path,
        token: one.security?.some((way) => !Object.keys(way).length) ? "optional" : "needed",
        parameters: one.parameters ?? [],
        body: one.requestBody?.content ?? {},
        answers: Object.entries(one.responses),
      });
    }
  }
  return [...groups.values()];
}

/** Two groups a namespace: what a client sends, and what it is pushed. */
export function eventsOf({ channels, operations, components }: AsyncApi): Group<Event>[] {
  return Object.entries(channels).flatMap(([key, { address, description = "", messages }]) => {
    const sent: Event[] = [];
    const pushed: Event[] = [];
    for (const {
      action,
      channel,
      messages: [first],
      reply,
    } of Object.values(operations)) {
      const message = first && messages[nameOf(first.$ref)];
      if (!message || nameOf(channel.$ref) !== key) continue;
      const { name: title, payload } = message;
      const about = message.summary || resolved(payload, components.schemas).description || "";
      const answer = reply?.messages[0] && messages[nameOf(reply.messages[0].$ref)];
      const common = { title, about, namespace: address, payload };
      if (action === "send") pushed.push({ ...common, id: idOf("push", address, title) });
      else sent.push({ ...common, id: idOf("event", address, title), ...(answer && { ack: ackOf(answer.payload) }) });
    }
    return [
      { id: idOf("event", address), title: `${address}: client to server`, about: description, entries: sent },
      { id: idOf("push", address), title: `${address}: server to client`, about: "", entries: pushed },
    ];
  });
}

/** An ack is `{ok: true, data}` or `{ok: false, error}`. */
function ackOf(whole: Schema): { whole: Schema; data: Schema } {
  const good = whole.oneOf?.find(({ properties }) => properties?.["ok"]?.const === true);
  return { whole: good ?? whole, data: good?.properties?.["data"] ?? whole };
}

/** `kind`: "rest" or "event", which may have shapes of the same name. */
export function shapesOf(kind: string, title: string, schemas: Schemas): Group<Shape> {
  const entries = Object.entries(schemas).map(([name, schema]) => ({
    id: idOf("shape", kind, name),
    title: name,
    about: schema.description ?? "",
    schema,
  }));
  return { id: idOf("shapes", kind), title, about: "", entries: entries.sort((a, b) => (a.title < b.title ? -1 : 1)) };
}

/** The codes that an error may have. */
export function codesOf({ components }: AsyncApi): string[] {
  const code = Object.values(components.schemas).find(({ properties }) => properties?.["code"]?.enum)?.properties?.[
    "code"
  ];
  return (code?.enum ?? []).map(String);
}

/** What of these has all of the words in it. */
export function matching(groups: Group[], query: string): Group[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return groups
    .map((group) => ({
      ...group,
      entries: group.entries.filter((one) => {
        const text = `${group.title} ${one.title} ${one.about}`.toLowerCase();
        return words.every((word) => text.includes(word));
      }),
    }))
    .filter((group) => group.entries.length);
}
