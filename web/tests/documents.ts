/** Two small documents such as the server publishes. */

import type { AsyncApi, OpenApi } from "../pages/docs/contract";
import type { Schema } from "../pages/docs/schema";

export const ID: Schema = { type: "string", pattern: "^[0-9a-fA-F]{24}$", examples: ["65f1c0ffee0123456789abcd"] };

const json = (schema: Schema) => ({ "application/json": { schema } });
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

export const NEW_USER: Schema = {
  type: "object",
  properties: {
    name: { type: "string", minLength: 1, maxLength: 200 },
    email: { type: "string", pattern: "^[a-z]+@[a-z]+$" },
    password: { type: "string", minLength: 12 },
    role: { type: "string", enum: ["STUDENT", "ADMIN"], default: "STUDENT" },
    endsAt: {
      anyOf: [{ type: "string", format: "date-time", description: "at the latest" }, { type: "null" }],
      default: null,
    },
  },
  required: ["name", "email", "password"],
};

/** A node has nodes. */
export const TREE: Schema = {
  type: "object",
  description: "A node and those below it.",
  properties: { name: { type: "string" }, below: { type: "array", items: ref("Tree") } },
  required: ["name", "below"],
};

export const REST: OpenApi = {
  info: { title: "proctoring-server", version: "1.2.3" },
  paths: {
    "/routes/users": {
      post: {
        description: "Make `one` user.",
        requestBody: { content: json(ref("NewUser")) },
        responses: { "201": { description: "", content: json(ref("Tree")) }, default: { description: "any error" } },
        security: [{}, { token: [] }],
      },
    },
    "/routes/users/{id}": {
      delete: {
        parameters: [{ name: "id", in: "path", required: true, schema: ID }],
        responses: { "204": { description: "" } },
        security: [{ token: [] }],
      },
    },
    "/healthz": { get: { description: "The process is alive.", responses: { "200": {} }, security: [{}] } },
  },
  components: { schemas: { NewUser: NEW_USER, Tree: TREE } },
};

const ACK: Schema = {
  oneOf: [
    { type: "object", properties: { ok: { const: true }, data: ref("Tree") } },
    { type: "object", properties: { ok: { const: false }, error: ref("EventError") } },
  ],
};

const message = (name: string, payload: Schema, summary = "") => ({ name, summary, payload });
const at = (name: string) => ({ $ref: `#/channels/exam/messages/${name}` });

export const EVENTS: AsyncApi = {
  info: { title: "proctoring-server", version: "1.2.3", description: "Every event gets one ack." },
  channels: {
    exam: {
      address: "/exam",
      description: "What a student's exam client can do. For STUDENT.",
      messages: {
        tab_change: message("tab_change", ref("TabChange")),
        tab_change_ack: message("tab_change_ack", ACK),
        chat: message("chat", ref("TabChange")),
        chat_ack: message("chat_ack", ACK),
        chat_push: message("chat", ref("Tree"), "What a proctor wrote."),
      },
    },
  },
  operations: {
    exam_tab_change: {
      action: "receive",
      channel: { $ref: "#/channels/exam" },
      messages: [at("tab_change")],
      reply: { messages: [at("tab_change_ack")] },
    },
    exam_chat: {
      action: "receive",
      channel: { $ref: "#/channels/exam" },
      messages: [at("chat")],
      reply: { messages: [at("chat_ack")] },
    },
    exam_push_chat: { action: "send", channel: { $ref: "#/channels/exam" }, messages: [at("chat_push")] },
  },
  components: {
    schemas: {
      TabChange: {
        type: "object",
        description: "The tab.",
        properties: { hidden: { type: "boolean", default: false } },
      },
      Tree: TREE,
      EventError: {
        type: "object",
        properties: { code: { enum: ["conflict", "unavailable"] }, message: { type: "string" } },
        required: ["code", "message"],
      },
    },
  },
};
