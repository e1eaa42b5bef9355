import { describe, expect, it } from "vitest";
import { codesOf, eventsOf, idOf, matching, operationsOf, shapesOf } from "../pages/docs/contract";
import { curl, emit, exampleOf } from "../pages/docs/example";
import { fieldsOf, rulesOf, sole, type Schema } from "../pages/docs/schema";
import { EVENTS, ID, NEW_USER, REST, TREE } from "./documents";

const SCHEMAS = REST.components.schemas;

describe("an example", () => {
  it("of what is sent has what is needed, and leaves out what is null by default", () => {
    expect(exampleOf(NEW_USER, SCHEMAS)).toEqual({
      name: "name",
      email: "someone@example.org",
      password: "passwordxxxx",
      role: "STUDENT",
    });
  });

  it("of an answer has every field, and no null where there may be more", () => {
    expect(exampleOf(NEW_USER, SCHEMAS, true)).toMatchObject({ endsAt: "2026-05-04T09:00:00.000Z" });
  });

  it("of a shape that has itself in it ends", () => {
    expect(exampleOf(TREE, SCHEMAS)).toEqual({ name: "name", below: [{ name: "name", below: [null] }] });
    const loop: Schema = { $ref: "#/components/schemas/Loop" };
    expect(exampleOf(loop, { Loop: loop })).toBeNull();
  });

  it.each<[Schema, unknown]>([
    [ID, "65f1c0ffee0123456789abcd"],
    [{ const: false }, false],
    [{ type: "integer", minimum: 5, maximum: 9 }, 5],
    [{ type: "integer", maximum: 0 }, 0],
    [{ type: ["string", "integer"] }, "text"],
    [{ anyOf: [{ type: "null" }, { type: "boolean" }] }, true],
    [{ type: "array", items: ID }, ["65f1c0ffee0123456789abcd"]],
    [{ type: "string", maxLength: 2 }, "te"],
    [{ $ref: "#/components/schemas/Unknown" }, null],
    [{ type: "object", additionalProperties: true }, {}],
  ])("of %j is %j", (schema, example) => {
    expect(exampleOf(schema, SCHEMAS)).toEqual(example);
  });
});

describe("a table's rows", () => {
  it("are those of the objects within as well", () => {
    const error: Schema = {
      type: "object",
      properties: {
        error: {
          type: "object",
          properties: {
            code: { type: "string" },
            details: { type: "array", items: { type: "object", properties: { msg: {} }, required: ["msg"] } },
          },
          required: ["code"],
        },
      },
    };
    expect(fieldsOf(error, {}).map(({ name, required }) => [name, required])).toEqual([
      ["error", false],
      ["error.code", true],
      ["error.details", false],
      ["error.details[].msg", true],
    ]);
  });

  it("are a list's objects', and do not go into what is named", () => {
    const list: Schema = { type: "array", items: { $ref: "#/components/schemas/Tree" } };
    expect(fieldsOf(list, SCHEMAS).map(({ name }) => name)).toEqual(["name", "below"]);
  });
});

describe("a value's rules", () => {
  it.each<[Schema, string[]]>([
    [{ type: "integer", minimum: 1, maximum: 9 }, ["1 to 9"]],
    [{ type: "integer", minimum: 0 }, ["at least 0"]],
    [{ type: "string", maxLength: 5 }, ["at most 5 characters"]],
    [{ type: "array", maxItems: 500 }, ["at most 500 items"]],
    [{ type: "string", enum: ["a", "b"], default: "a" }, ["one of a, b", 'by default "a"']],
    [NEW_USER.properties!["endsAt"]!, ["date-time"]],
    [ID, ["pattern ^[0-9a-fA-F]{24}$"]],
    [{ type: "boolean" }, []],
  ])("of %j are %j", (schema, rules) => {
    expect(rulesOf(schema).map(({ says, code }) => [says, code].filter(Boolean).join(" "))).toEqual(rules);
  });

  it("are those of the choice that is not null, but not of one among several", () => {
    const both: Schema = { anyOf: [{ type: "string", maxLength: 3 }, { type: "integer" }, { type: "null" }] };
    expect(sole(both)).toBe(both);
    expect(rulesOf(both)).toEqual([]);
  });
});

describe("the documents", () => {
  it("give REST's operations by resource", () => {
    const groups = operationsOf(REST);
    expect(groups.map(({ title, entries }) => [title, entries.map(({ id }) => id)])).toEqual([
      ["users", ["rest-post-routes-users", "rest-delete-routes-users-id"]],
      ["server", ["rest-get-healthz"]],
    ]);
    expect(groups.flatMap(({ entries }) => entries.map(({ token }) => token))).toEqual([
      "optional",
      "needed",
      "optional",
    ]);
  });

  it("give the events by namespace and way, an event with its ack", () => {
    const groups = eventsOf(EVENTS);
    expect(groups.map(({ title, entries }) => [title, entries.map(({ id }) => id)])).toEqual([
      ["/exam: client to server", ["event-exam-tab-change", "event-exam-chat"]],
      ["/exam: server to client", ["push-exam-chat"]],
    ]);
    const [change] = groups[0]!.entries;
    expect([change?.about, change?.ack?.data]).toEqual(["The tab.", { $ref: "#/components/schemas/Tree" }]);
    expect(groups[1]!.entries[0]).not.toHaveProperty("ack");
  });

  it("give the codes of errors", () => {
    expect(codesOf(EVENTS)).toEqual(["conflict", "unavailable"]);
  });

  it("give shapes in order", () => {
    expect(shapesOf("event", "Shapes", EVENTS.components.schemas).entries.map(({ id }) => id)).toEqual([
      "shape-event-eventerror",
      "shape-event-tabchange",
      "shape-event-tree",
    ]);
  });
});

describe("a search", () => {
  const found = (query: string) =>
    matching([...operationsOf(REST), ...eventsOf(EVENTS)], query).flatMap(({ entries }) => entries.map(({ id }) => id));

  it.each([
    ["POST users", ["rest-post-routes-users"]],
    ["alive", ["rest-get-healthz"]],
    ["tab_change", ["event-exam-tab-change"]],
    ["chat server", ["event-exam-chat", "push-exam-chat"]],
    ["nothing of the kind", []],
  ])("for %j finds %j", (query, ids) => {
    expect(found(query)).toEqual(ids);
  });

  it("for nothing finds all", () => {
    expect(found("  ")).toHaveLength(6);
  });
});

describe("what is to be copied", () => {
  it("is safe in a shell, whatever the body has in it", () => {
    expect(
      curl("put", "https://x.example/a", { token: true, body: { type: "application/json", content: `{"a":"it's"}` } }),
    ).toBe(
      `curl -X PUT 'https://x.example/a' \\\n  -H "Authorization: Bearer $TOKEN" \\\n` +
        `  -H 'Content-Type: application/json' \\\n  -d '{"a":"it'\\''s"}'`,
    );
  });

  it("sends an event with its payload", () => {
    expect(emit("https://x.example/exam", "chat", { text: "Hi" })).toBe(
      `const socket = io("https://x.example/exam", { auth: { token } });\n` +
        `const ack = await socket.emitWithAck("chat", {\n  "text": "Hi"\n});`,
    );
  });
});

it("names places by what they are", () => {
  expect(idOf("rest", "GET", "/routes/exams/{id}/activity")).toBe("rest-get-routes-exams-id-activity");
});
