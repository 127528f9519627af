// The decoder, cut every way.

import assert from 'node:assert/strict';
import test from 'node:test';

import { Decoder } from '../hardpoint/sse.js';

function decode(pieces, limit = 1000) {
  const decoder = new Decoder(limit);
  try {
    return pieces.flatMap((piece) => [...decoder.feed(piece)]).map(({ name, data }) => [name, data]);
  } catch (error) {
    return error.message;
  }
}

function everyWay(text, limit) {
  const bytes = typeof text === 'string' ? Buffer.from(text) : Buffer.from(text);
  const whole = decode([bytes], limit);
  for (let at = 0; at <= bytes.length; at += 1) {
    const pieces = [bytes.subarray(0, at), Buffer.alloc(0), bytes.subarray(at)];
    assert.deepEqual(decode(pieces, limit), whole, `split at ${at}`);
  }
  assert.deepEqual(decode([...bytes].map((byte) => Buffer.of(byte)), limit), whole, 'byte by byte');
  return whole;
}

const data = (text) => everyWay(text).map(([, data]) => data);

test('lines may end three ways', () => {
  assert.deepEqual(data('data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\r\n\n'), ['a', 'b', 'c', 'd']);
  assert.deepEqual(data('\r\n\n\r\rdata: a\n\r\n'), ['a']);
});

test('data lines are joined', () => {
  assert.deepEqual(data('data: a\ndata:b\ndata\ndata:  c\n\n'), ['a\nb\n\n c']);
  assert.deepEqual(data('data:\n\n'), ['']);
});

test('names belong to one event', () => {
  const text = 'event: first\ndata: a\n\ndata: b\n\nevent: empty\n\ndata: c\nevent:last\n\n';
  assert.deepEqual(everyWay(text).map(([name]) => name), ['first', '', 'last']);
});

test('other fields, comments, marks and bad bytes', () => {
  assert.deepEqual(data(': hello\n\nid: 1\ndata: a\n: between\ndatax: no\n data: no\n\n'), ['a']);
  assert.deepEqual(data('\ufeffdata: a\n\n'), ['a']);
  assert.deepEqual(data('data: 🦀 naïve\n\n'), ['🦀 naïve']);
  assert.deepEqual(data([...Buffer.from('data: a'), 0xff, ...Buffer.from('b\n\n')]), ['a\ufffdb']);
});

test('what the end cut off is no event', () => {
  for (const [text, within] of [['data: a\n', true], ['data: a', true], ['data: a\n\n', false], ['', false]]) {
    const decoder = new Decoder();
    assert.equal([...decoder.feed(Buffer.from(text))].length, text.endsWith('\n\n') ? 1 : 0);
    assert.equal(decoder.isWithinEvent, within, text);
  }
});

test('the bound does not depend on the cut', () => {
  const error = 'an event of the stream is larger than 16 characters';
  assert.equal(everyWay('data: 0123456789abcdef\n\n', 16), error);
  assert.equal(everyWay(': 0123456789abcdef\n\n', 16), error);
  assert.equal(everyWay('data: 1\ndata: 2\ndata: 3\n\n', 16), error);
  assert.equal(everyWay('data: 1\n\n'.repeat(50), 16).length, 50);
  assert.deepEqual(everyWay(': ping\n'.repeat(50), 16), []);
});
