// Makes client/protocol.ts (`make types`): the types of all events, from the AsyncAPI document on standard input.
import { readFileSync } from "node:fs";
import { compile } from "json-schema-to-typescript";

const contract = JSON.parse(readFileSync(0, "utf8"));
const { schemas } = contract.components;

/** Titles of single fields would become types of their own; a schema's name is enough. */
function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, one]) => !(key === "title" && typeof one === "string"))
      .map(([key, one]) => [key, key === "$ref" ? one.replace("#/components/schemas/", "#/$defs/") : plain(one)]),
  );
}

const named = (reference) => reference.$ref.split("/").pop();
const nameOf = (namespace) => namespace[0].toUpperCase() + namespace.slice(1);

function interfaces([namespace, channel]) {
  const operations = Object.entries(contract.operations).filter(([key]) => key.startsWith(`${namespace}_`));
  const events = [];
  const pushes = [];
  for (const [, operation] of operations) {
    const message = channel.messages[named(operation.messages[0])];
    const payload = named(message.payload);
    if (operation.action === "send") {
      pushes.push(`  ${message.name}: ${payload};`);
    } else {
      const ack = channel.messages[named(operation.reply.messages[0])];
      events.push(`  ${message.name}: { payload: ${payload}; ack: ${named(ack.payload.oneOf[0].properties.data)} };`);
    }
  }
  const name = nameOf(namespace);
  return [
    `/** What a client of ${channel.address} sends, and the data of its ack. */`,
    `export interface ${name}Events {`,
    ...events,
    "}",
    "",
    `/** What a client of ${channel.address} is pushed. */`,
    `export interface ${name}Pushes {`,
    ...pushes,
    "}",
    "",
  ].join("\n");
}

const all = { type: "object", additionalProperties: false, properties: {}, $defs: plain(schemas) };
for (const name of Object.keys(schemas)) all.properties[name] = { $ref: `#/$defs/${name}` };
const types = await compile(all, "Schemas", {
  bannerComment: "// Made from /asyncapi.json: change the server's payload models and say `make types`.",
  additionalProperties: false,
  style: { printWidth: 120 },
});
process.stdout.write(`${types}\n${Object.entries(contract.channels).map(interfaces).join("\n")}`);
