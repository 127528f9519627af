// The exporter as a host drives it, natively, with answers cut at every byte.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import test from 'node:test';

import { exporter } from '../plugin.js';
import { answer, delivery, event, failed, replay } from '../vendor/hardpoint/testing.js';

function answered(count, answer) {
  const events = Array.from({ length: count }, (_, index) => event(`evt-${index}`, `{"id":${index}}`));
  return delivery(exporter, { events, attempt: 2 }, { url: 'https://logs.example.com/in' }, answer);
}

test('posts lines and delivers', () => {
  const done = answered(2, answer(204));
  assert.deepEqual(done.verdicts, { 0: { tag: 'delivered' }, 1: { tag: 'delivered' } });
  assert.equal(done.sent[0].url, 'https://logs.example.com/in');
  assert.equal(done.sent[0].body, '{"id":0}\n{"id":1}\n');
  assert.equal(done.sent[0].headers.authorization, 'Bearer {secret:token}');
  assert(done.sent[0].gzip);
});

test('waits as long as it is asked to', () => {
  const waits = (answer) => answered(1, answer).verdicts[0];
  assert.deepEqual(waits(answer(429, { headers: { 'retry-after': '7' } })), { tag: 'retry-after', val: 7_000 });
  assert.deepEqual(waits(answer(503)), { tag: 'retry-after', val: 10_000 }, 'its second attempt');
});

test('splits, parks and drops', () => {
  assert(answered(2, answer(413)).isSplit);
  assert.equal(answered(1, answer(413)).verdicts[0].tag, 'drop');
  assert.equal(answered(1, answer(400)).verdicts[0].tag, 'drop');
  assert.match(answered(2, answer(401)).parked, /token/);
});

test('a broken connection fails the batch', () => {
  assert.equal(answered(1, failed('connect')).failure.kind, 'upstream');
});

test('recordings come out as they say', () => {
  const folder = new URL('../recordings/', import.meta.url);
  for (const file of readdirSync(folder)) replay(exporter, readFileSync(new URL(file, folder), 'utf8'));
});
