// The tool as a host calls it, natively.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import test from 'node:test';

import { tool } from '../plugin.js';
import { call, describe, replay } from '../vendor/hardpoint/testing.js';
import { InvalidArguments } from '../vendor/hardpoint/tool.js';

test('counts', () => {
  assert.deepEqual(call(tool, { text: 'The cat saw the dog. The dog ran!', top: 2 }), {
    words: 8,
    sentences: 2,
    characters: 33,
    most_common: [
      { word: 'the', count: 3 },
      { word: 'dog', count: 2 },
    ],
  });
});

test('leaves out what is ignored', () => {
  const answer = call(tool, { text: 'the the cat', top: 1 }, { ignored: ['the'] });
  assert.deepEqual(answer.most_common, [{ word: 'cat', count: 1 }]);
  assert.equal(call(tool, { text: ' … ' }).words, 0);
});

test('tells a model what is wrong', () => {
  for (const args of [{}, { text: 1 }, { text: '', top: 101 }, { text: '', more: 1 }]) {
    assert.throws(() => call(tool, args), InvalidArguments, JSON.stringify(args));
  }
});

test('describes its arguments', () => {
  assert.deepEqual(describe(tool).parameters.required, ['text']);
});

test('recordings come out as they say', () => {
  const folder = new URL('../recordings/', import.meta.url);
  for (const file of readdirSync(folder)) replay(tool, readFileSync(new URL(file, folder), 'utf8'));
});
