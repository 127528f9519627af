// Checks values against the part of JSON Schema that arguments of tools are written in.

const is = {
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  integer: Number.isInteger,
  number: (value) => typeof value === 'number',
  null: (value) => value === null,
};

const BOUNDS = [
  ['minimum', 'maximum'],
  ['minLength', 'maxLength'],
  ['minItems', 'maxItems'],
];

/** The value with the defaults of members that it leaves out. */
export function fill(schema, value) {
  const members = Object.entries(schema.properties ?? {}).filter(([, member]) => 'default' in member);
  return { ...Object.fromEntries(members.map(([name, member]) => [name, member.default])), ...value };
}

/**
 * Where the value does not fit, and why; nothing if it does. Keywords that are not known are left alone.
 * @returns {string | undefined}
 */
export function problem(schema, value, place = '') {
  const where = place && `${place}: `;
  const types = schema.type === undefined ? [] : [schema.type].flat();
  if (types.length > 0 && !types.some((type) => is[type]?.(value) ?? true)) {
    return `${where}expected ${types.join(' or ')}`;
  }
  if (schema.enum && !schema.enum.includes(value)) {
    return `${where}expected one of ${schema.enum.map((one) => JSON.stringify(one)).join(', ')}`;
  }
  if (is.object(value)) return objectProblem(schema, value, place);
  if (Array.isArray(value) && schema.items) {
    for (const [index, item] of value.entries()) {
      const found = problem(schema.items, item, `${place}[${index}]`);
      if (found) return found;
    }
  }
  const size = typeof value === 'number' ? value : value?.length;
  for (const [atLeast, atMost] of size === undefined ? [] : BOUNDS) {
    if (size < schema[atLeast]) return `${where}at least ${schema[atLeast]}`;
    if (size > schema[atMost]) return `${where}at most ${schema[atMost]}`;
  }
  return undefined;
}

function objectProblem(schema, value, place) {
  const where = place && `${place}: `;
  const properties = schema.properties ?? {};
  const missing = (schema.required ?? []).find((name) => !Object.hasOwn(value, name));
  if (missing !== undefined) return `${where}\`${missing}\` is missing`;
  for (const [name, member] of Object.entries(value)) {
    if (Object.hasOwn(properties, name)) {
      const found = problem(properties[name], member, place ? `${place}.${name}` : name);
      if (found) return found;
    } else if (schema.additionalProperties === false) {
      return `${where}\`${name}\` is not known`;
    }
  }
  return undefined;
}
