// The adapter as a host drives it, natively, with answers cut at every byte.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import test from 'node:test';

import { modelAdapter } from '../plugin.js';
import { answer, completion, completionRequest, message, replay, sseAnswer } from '../vendor/hardpoint/testing.js';

const STREAM = `\
data: {"choices":[{"delta":{"role":"assistant","content":""}}]}

data: {"choices":[{"delta":{"content":"Becau"}}]}

: still here

data: {"choices":[{"delta":{"content":"se. ü"},"finish_reason":"length"}]}

data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}

data: [DONE]

`;

function asked(answer) {
  const messages = [message('system', 'Be brief.'), message('user', 'Why?')];
  const request = completionRequest('small', messages, { maxTokens: 9 });
  return completion(modelAdapter, request, { base_url: 'https://models.example.com/v1/' }, answer);
}

test('streams text', () => {
  const done = asked(sseAnswer(STREAM));
  assert.deepEqual([done.text, done.finish], ['Because. ü', 'length']);
  assert.deepEqual([done.usage.inputTokens, done.usage.outputTokens], [7, 3]);
  assert.equal(done.sent[0].url, 'https://models.example.com/v1/chat/completions');
  assert.equal(done.sent[0].headers.authorization, 'Bearer {secret:api_key}');
  assert.deepEqual(JSON.parse(done.sent[0].body), {
    model: 'small',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Why?' },
    ],
    stream: true,
    max_tokens: 9,
  });
});

test('an error is passed on', () => {
  const { failure } = asked(answer(429, { headers: { 'retry-after': '2' }, body: 'slow down' }));
  assert.deepEqual([failure.kind, failure.retryAfterMs, failure.message], ['rate-limited', 2_000, 'slow down']);
});

test('a stream that stops is a failure', () => {
  const done = asked(sseAnswer(STREAM.split(': still')[0]));
  assert.deepEqual([done.text, done.failure.kind], ['Becau', 'protocol']);
});

test('recordings come out as they say', () => {
  const folder = new URL('../recordings/', import.meta.url);
  for (const file of readdirSync(folder)) replay(modelAdapter, readFileSync(new URL(file, folder), 'utf8'));
});
