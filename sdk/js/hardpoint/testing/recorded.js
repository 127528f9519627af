// Between a recording's words and the interface's types.

import { isDeepStrictEqual } from 'node:util';

import { answer as scripted } from './answers.js';
import { completionRequest as requested } from './machines.js';
import { write } from './spelling.js';

/** What a request is answered. */
export function answer({ status = 0, headers, chunks = [], broken }) {
  return scripted(status, { headers, body: Uint8Array.from(Buffer.concat(chunks)), broken });
}

/** What a model is asked. */
export function completionRequest({ upstream_model: model = '', messages = [], ...told }) {
  const members = { ...record(told), tools: (told.tools ?? []).map(record) };
  if ('tool_choice' in told) members.toolChoice = variant(told.tool_choice);
  if ('response_format' in told) members.responseFormat = variant(told.response_format);
  members.extra = extra(told);
  if ('seed' in told) members.seed = BigInt(told.seed);
  return requested(model, messages.map(message), members);
}

/** Further members of a request, as text; nothing where there are none. */
export function extra({ extra = {} }) {
  return Object.keys(extra).length > 0 ? write(extra) : undefined;
}

function message({ content = [], ...told }) {
  const parts = typeof content === 'string' ? [{ text: content }] : content;
  return { toolCalls: [], ...record(told), content: parts.map(variant) };
}

/** A variant: a word, or one member with what it holds. */
function variant(told) {
  if (typeof told === 'string') return { tag: told.replaceAll('_', '-') };
  const [[name, held]] = Object.entries(told);
  return { tag: name.replaceAll('_', '-'), val: typeof held === 'string' ? held : record(held) };
}

/** A record. A schema is text in the interface and JSON in a recording. */
function record(told) {
  const member = ([name, value]) => [
    name.replace(/_./g, ([, letter]) => letter.toUpperCase()),
    name === 'parameters' || name === 'schema' ? write(value) : value,
  ];
  return Object.fromEntries(Object.entries(told).map(member));
}

const NO_USAGE = { input_tokens: 0, cached_input_tokens: 0, output_tokens: 0, reasoning_tokens: 0 };

/** What came of it in a recording's words, without what is empty. */
export function outcome({ result, vectors = [], ...members }) {
  const told = words(members);
  if (told.finish) told.finish = told.finish.replace('-', '_');
  if (told.failure) told.failure.kind = told.failure.kind?.replace('-', '_');
  told.usage = { ...NO_USAGE, ...told.usage };
  // Of an embedding that counts nothing the host has zeros.
  if (isDeepStrictEqual(told.usage, NO_USAGE)) delete told.usage;
  // Vectors are 32 bits wide.
  const all = { ...told, vectors: vectors.map((vector) => vector.map(Math.fround)) };
  const isEmpty = (value) => [undefined, null, '', false].includes(value) || value.length === 0;
  const kept = Object.fromEntries(Object.entries(all).filter(([, value]) => !isEmpty(value)));
  return result === undefined ? kept : { ...kept, result };
}

function words(value) {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map((item) => words(item) ?? null);
  if (value instanceof Uint8Array) {
    const text = Buffer.from(value).toString();
    return Buffer.from(text).equals(value) ? text : { base64: Buffer.from(value).toString('base64') };
  }
  if (value === null || typeof value !== 'object') return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(members.map(([name, member]) => [snake(name), words(member)]));
}
