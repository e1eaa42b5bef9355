/** What a JSON Schema says, in the words and rows in which the page shows it. */

export interface Schema {
  $ref?: string;
  type?: string | string[];
  description?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  examples?: unknown[];
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
}

export type Schemas = Record<string, Schema>;

/** One row of a table. */
export interface Field {
  /** With those that it lies in: "error.details[].loc". */
  name: string;
  schema: Schema;
  required: boolean;
}

/** A rule that a value keeps: `code` is shown as such after `says`. */
export interface Rule {
  says: string;
  code?: string;
}

export function nameOf(reference: string): string {
  return reference.slice(reference.lastIndexOf("/") + 1);
}

/** The schema itself, where it is a reference to one. */
export function resolved(schema: Schema, schemas: Schemas): Schema {
  const seen = new Set<string>();
  let found = schema;
  while (found.$ref && !seen.has(found.$ref)) {
    seen.add(found.$ref);
    found = schemas[nameOf(found.$ref)] ?? {};
  }
  return found;
}

/** What a value may be one of: several where it may be null too. */
export function choices(schema: Schema): Schema[] {
  if (Array.isArray(schema.type)) return schema.type.map((type) => ({ ...schema, type }));
  return schema.anyOf ?? schema.oneOf ?? [schema];
}

export function isNull(schema: Schema): boolean {
  return schema.type === "null";
}

/** The only choice that is not null; the schema itself where there are several. */
export function sole(schema: Schema): Schema {
  const [only, ...others] = choices(schema).filter((one) => !isNull(one));
  return only && !others.length ? only : schema;
}

/** The rows of an object, or of a list's objects. References are not followed, so that this ends. */
export function fieldsOf(schema: Schema, schemas: Schemas, within = ""): Field[] {
  const found = resolved(schema, schemas);
  const { properties = {}, required = [] } = found.items ? resolved(found.items, schemas) : found;
  return Object.entries(properties).flatMap(([name, one]) => {
    const field = { name: within + name, schema: one, required: required.includes(name) };
    if (one.properties) return [field, ...fieldsOf(one, schemas, `${field.name}.`)];
    if (one.items?.properties) return [field, ...fieldsOf(one, schemas, `${field.name}[].`)];
    return [field];
  });
}

export function describe(schema: Schema): string {
  return schema.description ?? sole(schema).description ?? "";
}

export function rulesOf(schema: Schema): Rule[] {
  const one = sole(schema);
  const rules: Rule[] = [];
  if (one.enum) rules.push({ says: "one of", code: one.enum.map(String).join(", ") });
  rules.push(...range(one.minimum, one.maximum, ""));
  rules.push(...range(one.minLength, one.maxLength, " characters"));
  rules.push(...range(one.minItems, one.maxItems, " items"));
  if (one.format) rules.push({ says: one.format });
  if (one.pattern) rules.push({ says: "pattern", code: one.pattern });
  // A default of null goes without saying: it is like leaving the field out.
  if (schema.default !== undefined && schema.default !== null) {
    rules.push({ says: "by default", code: JSON.stringify(schema.default) });
  }
  return rules;
}

function range(least: number | undefined, most: number | undefined, of: string): Rule[] {
  if (least === undefined && most === undefined) return [];
  if (least === undefined) return [{ says: `at most ${most}${of}` }];
  if (most === undefined) return [{ says: `at least ${least}${of}` }];
  return [{ says: `${least} to ${most}${of}` }];
}
