// What a recording may hold, as `hardpoint plugin test` has it: what that refuses is refused here.

import { anything, flag, listed, mapping, named, number, orNull, orText } from './shape.js';
import { record, text, variant, whole } from './shape.js';

const base64 = record({ base64: text });

/** A text, or `{"base64": "…"}`. */
function bytes(told, where) {
  if (typeof told === 'string') return new TextEncoder().encode(told);
  return Uint8Array.from(Buffer.from(base64(told, where).base64, 'base64'));
}

const image = record({ url: text }, { detail: orNull(text) });
const toolCall = record({ id: text, name: text, arguments: text });
const message = record(
  { role: text },
  {
    content: orText(listed(variant([], { text, image }))),
    name: orNull(text),
    reasoning: orNull(text),
    refusal: orNull(text),
    tool_calls: listed(toolCall),
    tool_call_id: orNull(text),
  },
);
const tool = record(
  { name: text },
  { description: orNull(text), parameters: orNull(anything), strict: orNull(flag) },
);
const jsonSchema = record({ name: text, schema: anything }, { description: orNull(text), strict: orNull(flag) });
const completion = record(
  {},
  {
    upstream_model: text,
    messages: listed(message),
    tools: listed(tool),
    tool_choice: orNull(variant(['none', 'auto', 'required'], { function: text })),
    parallel_tool_calls: orNull(flag),
    response_format: orNull(variant(['text', 'json_object'], { json_schema: jsonSchema })),
    streamed: flag,
    max_tokens: orNull(whole),
    temperature: orNull(number),
    top_p: orNull(number),
    frequency_penalty: orNull(number),
    presence_penalty: orNull(number),
    stop: listed(text),
    seed: orNull(whole),
    user: orNull(text),
    extra: mapping,
  },
);
const embedding = record(
  {},
  {
    upstream_model: text,
    inputs: listed(text),
    dimensions: orNull(whole),
    user: orNull(text),
    extra: mapping,
  },
);
const event = record({ id: text, kind: text, time: whole, body: anything });
const delivery = record({ events: listed(event) }, { attempt: whole, now: whole, state: orNull(bytes) });
const call = record({ arguments: anything }, { kv: mapping });

const request = record(
  { method: text, url: text },
  { headers: named(text), body: orNull(anything), gzip: flag },
);
const answer = record(
  {},
  {
    status: orNull(whole),
    headers: named(text),
    chunks: listed(bytes),
    broken: orNull(variant(['denied', 'connect', 'timeout', 'reset', 'protocol'])),
  },
);
const exchange = record({ request, answer });

const usage = record(
  {},
  { input_tokens: whole, cached_input_tokens: whole, output_tokens: whole, reasoning_tokens: whole },
);
const failure = record(
  {},
  {
    kind: text,
    message: orNull(text),
    status: orNull(whole),
    retry_after_ms: orNull(whole),
    code: orNull(text),
    param: orNull(text),
  },
);
const given = variant(['delivered'], { retry_after: whole, drop: text });
const verdict = (told, where) => (told === null ? null : given(told, where));
const outcome = record(
  {},
  {
    text,
    reasoning: text,
    refusal: text,
    tool_calls: listed(toolCall),
    finish: orNull(text),
    vectors: listed(listed(number)),
    usage: orNull(usage),
    verdicts: listed(verdict),
    split: flag,
    parked: orNull(text),
    saved: orNull(bytes),
    result: anything,
    invalid_arguments: orNull(text),
    failure: orNull(failure),
  },
);
const recording = record(
  { about: text },
  {
    settings: mapping,
    completion: orNull(completion),
    embedding: orNull(embedding),
    delivery: orNull(delivery),
    call: orNull(call),
    exchanges: listed(exchange),
    expect: outcome,
  },
);

/** From a file's text, without members that are null where that is the same as nothing. */
export const read = (told) => recording(JSON.parse(told), 'the recording');
