// Recordings: files that `hardpoint plugin test` replays in the real sandbox, replayed natively.

import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';

import { Host } from './host.js';
import { completion, delivery, embedding } from './machines.js';
import * as recorded from './recorded.js';
import { read } from './recording.js';
import { write } from './spelling.js';

const ASKING = { completion: complete, embedding: embed, delivery: deliver, call };

/**
 * Replays a recording, given as the file's text, its answers cut every way. Throws with every difference.
 * @param {object} plugin What `defineTool`, `defineModel` or `defineExporter` made.
 * @param {string} recording
 */
export function replay(plugin, recording) {
  const { about, settings = {}, exchanges = [], expect = {}, ...told } = read(recording);
  const asked = Object.keys(ASKING).filter((name) => name in told);
  assert.equal(asked.length, 1, `exactly one of ${Object.keys(ASKING).join(', ')} says what is asked`);
  const script = exchanges.map((exchange) => recorded.answer(exchange.answer));
  const { sent, ...came } = ASKING[asked[0]](plugin, told[asked[0]], settings, script);
  const [expected, got] = [recorded.outcome(expect), recorded.outcome(came)];
  if (got.failure) {
    // The host, which saw it break, knows better than the plugin what kind of trouble that was; of a tool's failure it
    // knows nothing.
    if (asked[0] !== 'call') got.failure.kind = script.at(-1)?.broken ?? got.failure.kind;
    if (expected.failure?.message === undefined) delete got.failure.message;
  }
  const found = exchanges.flatMap(({ request }, index) => differences(index, request, sent[index]));
  for (const name of [...new Set([...Object.keys(expected), ...Object.keys(got)])].sort()) {
    if (!isDeepStrictEqual(expected[name], got[name])) {
      found.push(`\`${name}\` is ${JSON.stringify(got[name])}, not ${JSON.stringify(expected[name])}`);
    }
  }
  assert(found.length === 0, [`${about}:`, ...found].join('\n  '));
}

function complete(model, asked, settings, script) {
  const { toolCalls, ...done } = completion(model, recorded.completionRequest(asked), settings, ...script);
  return { ...done, tool_calls: toolCalls };
}

function embed(model, { upstream_model: upstreamModel = '', inputs = [], ...asked }, settings, script) {
  const request = { upstreamModel, inputs, ...asked, extra: recorded.extra(asked) };
  const { vectors, ...done } = embedding(model, request, settings, ...script);
  return { ...done, vectors: done.failure ? [] : inputs.map((_, index) => vectors[index]) };
}

function deliver(exporter, { events, attempt, now = 0, state }, settings, script) {
  const offered = events.map((event) => ({
    ...event,
    time: BigInt(event.time),
    body: write(event.body),
  }));
  const batch = { events: offered, attempt, now: BigInt(now), state };
  const { verdicts, isSplit, waits, ...done } = delivery(exporter, batch, settings, ...script);
  return { ...done, split: isSplit, verdicts: events.map((_, index) => verdict(verdicts[index])) };
}

function verdict(verdict) {
  if (!verdict || verdict.tag === 'delivered') return verdict?.tag;
  return { [verdict.tag.replace('-', '_')]: verdict.val };
}

function call(tool, { arguments: args, kv = {} }, settings, script) {
  const text = (value) => (typeof value === 'string' ? value : write(value));
  const values = Object.entries(kv).map(([key, value]) => [key, new TextEncoder().encode(text(value))]);
  const host = new Host({ answers: script, values: Object.fromEntries(values) });
  try {
    const answer = host.use(() => tool.call(write(args), write(settings)));
    return { sent: host.sent, result: asJson(answer) };
  } catch (error) {
    const { tag, val } = error.payload ?? {};
    if (tag === 'invalid-arguments') return { sent: host.sent, invalid_arguments: val };
    if (tag === 'failed') return { sent: host.sent, failure: { kind: tag, message: val } };
    throw error;
  }
}

function asJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** How a request differs from the one in the recording. */
function differences(index, wanted, got) {
  const what = `request ${index + 1}`;
  if (!got) return [`${what} was not sent`];
  const body = typeof wanted.body === 'string' ? got.body : asJson(got.body);
  const headers = Object.entries(wanted.headers ?? {});
  const pairs = [
    ['the method', got.method, wanted.method],
    ['the URL', got.url, wanted.url],
    ['gzip', got.gzip, wanted.gzip ?? false],
    ...headers.map(([name, value]) => [`the header \`${name}\``, got.headers[name] ?? '', value]),
    ...('body' in wanted ? [['the body', body, wanted.body]] : []),
  ];
  const differing = pairs.filter(([, is, must]) => !isDeepStrictEqual(is, must));
  return differing.map(([name, is, must]) => `${what}: ${name} is ${JSON.stringify(is)}, not ${JSON.stringify(must)}`);
}
