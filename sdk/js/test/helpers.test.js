// Machines, failures, schemas and the double of the host.

import assert from 'node:assert/strict';
import test from 'node:test';

import { defineExporter, delivered } from '../hardpoint/exporter.js';
import { Failure, kindOfStatus, retryAfterMs } from '../hardpoint/failure.js';
import * as http from '../hardpoint/http.js';
import * as kv from '../hardpoint/kv.js';
import * as log from '../hardpoint/log.js';
import { Machine, again, send } from '../hardpoint/machine.js';
import { defineModel, finish, text, usage } from '../hardpoint/model.js';
import { post, secret } from '../hardpoint/request.js';
import { fill, problem } from '../hardpoint/schema.js';
import * as testing from '../hardpoint/testing.js';
import { defineTool } from '../hardpoint/tool.js';

const asked = (machine, ...script) => {
  const request = testing.completionRequest('m', [testing.message('user', '?')]);
  return testing.completion(defineModel({ complete: () => machine() }), request, {}, ...script);
};

test('what came before a failure is handed over', () => {
  class Failing extends Machine {
    *started() {
      yield text('so far');
      throw new Failure('protocol', 'broken', { retryAfterMs: 5 });
    }
  }
  const done = asked(() => new Failing());
  assert.deepEqual([done.text, done.failure.message, done.failure.retryAfterMs], ['so far', 'broken', 5]);
});

test('again, a request, usage', () => {
  class Twice extends Machine {
    *started() {
      yield text('a');
      yield again();
    }

    *resumed() {
      yield send(post('https://a.example.com/x', { json: { q: 1 }, headers: { 'x-key': secret('k', 'url') } }));
    }

    *ended() {
      yield usage({ inputTokens: 1, outputTokens: 2 });
      yield finish('length');
    }
  }
  const done = asked(() => new Twice(), testing.answer(200, { body: 'ignored' }));
  assert.deepEqual([done.text, done.finish, done.usage.outputTokens], ['a', 'length', 2]);
  assert.equal(done.sent[0].headers['x-key'], '{secret:k|url}');
  assert.equal(done.sent[0].body, '{"q":1}');
});

test('a setting that is not there is a failure, not a trap', (t) => {
  t.mock.method(console, 'error', () => {});
  const complete = (_, settings) => settings.base_url.trim();
  const request = testing.completionRequest('m', [testing.message('user', '?')]);
  const done = testing.completion(defineModel({ complete }), request, {});
  assert.equal(done.failure.kind, 'unsupported');
  assert.match(done.failure.message, /cannot begin: TypeError/);
});

test('rules are kept', () => {
  class Silent extends Machine {
    *started() {
      yield delivered(0);
    }
  }
  const exporter = defineExporter({ deliver: () => new Silent() });
  const events = [testing.event('1'), testing.event('2')];
  assert.throws(() => testing.delivery(exporter, { events }, {}), /events have no verdict/);
});

test('statuses and waiting', () => {
  assert.deepEqual([404, 422, 302].map(kindOfStatus), ['unsupported', 'invalid-request', 'protocol']);
  for (const [name, value, wait] of [
    ['retry-after', '2', 2000],
    ['retry-after', ' 0.5 ', 500],
    ['retry-after-ms', '125', 125],
    ['retry-after', 'Wed, 21 Oct 2026 07:28:00 GMT', undefined],
    ['retry-after', '-1', undefined],
    ['retry-after', '1e9', undefined],
    ['retry-after', '99999999999999999999', 86_400_000],
  ]) {
    assert.equal(retryAfterMs([{ name, value: Buffer.from(value) }]), wait, value);
  }
});

test('schemas', () => {
  const schema = {
    type: 'object',
    required: ['a'],
    additionalProperties: false,
    properties: {
      a: { type: 'integer', minimum: 1, maximum: 3 },
      b: { type: 'array', items: { enum: ['x', 'y'] }, default: [] },
    },
  };
  for (const [value, reason] of [
    [{ a: 1 }, undefined],
    [{ a: 1, b: ['x'] }, undefined],
    [[], 'expected object'],
    [{}, '`a` is missing'],
    [{ a: true }, 'a: expected integer'],
    [{ a: 0 }, 'a: at least 1'],
    [{ a: 4 }, 'a: at most 3'],
    [{ a: 1, b: ['z'] }, 'b[0]: expected one of "x", "y"'],
    [{ a: 1, c: 1 }, '`c` is not known'],
  ]) {
    assert.equal(problem(schema, value), reason, JSON.stringify(value));
  }
  assert.deepEqual(fill(schema, { a: 1 }), { a: 1, b: [] });
});

test('the double of the host', () => {
  const answers = [testing.jsonAnswer(200, { ok: true }), testing.failed('timeout')];
  const host = new testing.Host({ answers, values: { a: Buffer.of(1) } });
  host.use(() => {
    assert.deepEqual(http.send(post('https://a.example.com')).json(), { ok: true });
    assert.throws(() => http.send(post('https://a.example.com')), /took too long/);
    kv.set('b', Buffer.of(2));
    assert.deepEqual([kv.keys(), kv.get('c')], [['a', 'b'], undefined]);
    assert.throws(() => kv.set('c', Buffer.alloc(70_000)), (error) => error instanceof Failure);
    log.warn('careful');
  });
  assert.deepEqual([host.log, host.sent.length], [[['warn', 'careful']], 2]);
  assert.throws(() => kv.get('a'), /no `testing.Host`/);
});

test('a tool answers text, or what becomes JSON', () => {
  const answer = (call) => testing.call(defineTool({ description: 'Any.', call }), {});
  assert.deepEqual([answer(() => 'text'), answer(() => ({ a: 1 })), answer(() => null)], ['text', { a: 1 }, null]);
  assert.throws(() => answer(() => undefined), /returned nothing that becomes JSON/);
  assert.throws(() => answer(async () => 'later'), /cannot be async/);
});

test('what is no failure leaves its stack in the log', (t) => {
  const told = t.mock.method(console, 'error', () => {});
  class Broken extends Machine {
    *started() {
      throw new RangeError('there is no such moon');
    }
  }
  const tool = defineTool({
    description: 'Any.',
    call() {
      throw new RangeError('there is no such sea');
    },
  });
  assert.throws(() => testing.call(tool, {}), RangeError);
  assert.throws(() => asked(() => new Broken()), RangeError);
  const lines = told.mock.calls.map((call) => call.arguments[0]);
  assert.match(lines[0], /no such sea[^]*helpers\.test\.js/);
  assert.match(lines[1], /no such moon[^]*helpers\.test\.js/);
});
