// Recordings through the native harness.

import assert from 'node:assert/strict';
import test from 'node:test';

import { defineExporter, delivered, retryAfter, save } from '../hardpoint/exporter.js';
import { Failure } from '../hardpoint/failure.js';
import * as http from '../hardpoint/http.js';
import * as kv from '../hardpoint/kv.js';
import { Machine, send } from '../hardpoint/machine.js';
import { defineModel, embedded, finish, text, textOf, toolCall, usage, vector } from '../hardpoint/model.js';
import { post, secret } from '../hardpoint/request.js';
import { replay } from '../hardpoint/testing.js';
import { defineTool } from '../hardpoint/tool.js';

const url = 'https://example.com/x';

/** Answers with what comes back. */
class Completion extends Machine {
  #request;

  constructor(request) {
    super();
    this.#request = request;
  }

  *started() {
    yield send(this.#request);
  }

  *body(data) {
    for (const letter of new TextDecoder().decode(data)) {
      if (letter === '!') throw new Failure('rate-limited', 'slow down', { retryAfterMs: 7 });
      yield text(letter);
    }
  }

  *ended() {
    yield toolCall({ index: 0, id: 'id', name: 'name', arguments: '{}' });
    yield usage({ inputTokens: 1, outputTokens: 2 });
    yield finish('content-filter');
  }
}

class Embedding extends Completion {
  body() {}

  *ended() {
    yield vector(0, [0.1, 1]);
    yield embedded();
  }
}

/** Sends what it is asked. */
const scripted = defineModel({
  complete(request, settings) {
    const json = {
      model: request.upstreamModel,
      texts: request.messages.map(textOf),
      tools: request.tools.map(({ name, parameters }) => [name, JSON.parse(parameters)]),
      choice: request.toolChoice,
      schema: request.responseFormat.val.schema,
      most: request.maxTokens,
    };
    return new Completion(post(settings.url, { json, headers: { authorization: ['Bearer ', secret('key')] } }));
  },
  embed: (request, settings) => new Embedding(post(settings.url, { json: request.inputs })),
});

const recorded = () => ({
  about: 'a text and a call',
  settings: { url },
  completion: {
    upstream_model: 'm',
    messages: [{ role: 'user', content: [{ text: 'Why' }, { image: { url: 'data:' } }, { text: '?' }] }],
    tools: [{ name: 't', parameters: { type: 'object' } }],
    tool_choice: { function: 't' },
    response_format: { json_schema: { name: 's', schema: {} } },
    max_tokens: 9,
  },
  exchanges: [
    {
      request: {
        method: 'POST',
        url,
        headers: { authorization: 'Bearer {secret:key}' },
        body: {
          model: 'm',
          texts: ['Why?'],
          tools: [['t', { type: 'object' }]],
          choice: { tag: 'function', val: 't' },
          schema: '{}',
          most: 9,
        },
      },
      answer: { status: 200, chunks: ['Becau', 'se.'] },
    },
  ],
  expect: {
    text: 'Because.',
    finish: 'content_filter',
    usage: { input_tokens: 1, output_tokens: 2 },
    tool_calls: [{ id: 'id', name: 'name', arguments: '{}' }],
  },
});

/** What is told of a recording with other members; nothing where it comes out as it says. */
function replayed(plugin, recording, others = {}) {
  try {
    replay(plugin, JSON.stringify({ ...recording, ...others }));
    return '';
  } catch (error) {
    assert(error instanceof assert.AssertionError, String(error));
    return error.message;
  }
}

test('a completion comes out as it says', () => {
  const recording = recorded();
  assert.equal(replayed(scripted, recording), '');
  const [exchange] = recording.exchanges;
  const failure = { kind: 'rate_limited', retry_after_ms: 7 };
  const failing = { exchanges: [{ ...exchange, answer: { status: 200, chunks: ['a', '!'] } }] };
  assert.equal(replayed(scripted, recording, { ...failing, expect: { text: 'a', failure } }), '');
  const hurried = { text: 'a', failure: { ...failure, message: 'hurry' } };
  assert.match(replayed(scripted, recording, { ...failing, expect: hurried }), /slow down/);
  const broken = { exchanges: [{ ...exchange, answer: { status: 200, chunks: ['a'], broken: 'reset' } }] };
  assert.equal(replayed(scripted, recording, { ...broken, expect: { text: 'a', failure: { kind: 'reset' } } }), '');
});

test('each difference is told', () => {
  const recording = recorded();
  const { request } = recording.exchanges[0];
  request.headers.authorization = 'Bearer {secret:other}';
  request.body.model = 'n';
  recording.expect.finish = 'stop';
  const told = replayed(scripted, recording);
  for (const words of ['request 1: the header `authorization`', 'request 1: the body', 'not "stop"']) {
    assert(told.includes(words), told);
  }
  assert(!told.includes('`text`'), told);
  const { exchanges } = recorded();
  assert.match(replayed(scripted, recorded(), { exchanges: [...exchanges, ...exchanges] }), /answers to requests/);
  assert.match(replayed(scripted, { about: 'nothing' }), /exactly one/);
});

test('vectors are as wide as the interface has them', () => {
  const exchanges = [{ request: { method: 'POST', url, body: ['a'] }, answer: { status: 200 } }];
  const embedding = { upstream_model: 'm', inputs: ['a'] };
  const recording = { about: 'a vector', settings: { url }, exchanges, embedding };
  assert.equal(replayed(scripted, recording, { expect: { vectors: [[0.1, 1]] } }), '');
  assert.match(replayed(scripted, recording, { expect: { vectors: [[0.2, 1]] } }), /`vectors`/);
});

test('a delivery and its state', () => {
  class Delivery extends Machine {
    constructor(batch, state) {
      super();
      Object.assign(this, { batch, state });
    }

    *started() {
      yield send(post(url, { body: this.batch.events[0].body, gzip: true }));
    }

    *ended() {
      yield delivered(0);
      yield retryAfter(1, this.batch.attempt * 10);
      yield save(Uint8Array.of(this.state[0] + 1, 255));
    }
  }
  const patient = defineExporter({ deliver: (batch, _, state) => new Delivery(batch, state) });
  const event = { id: 'evt_1', kind: 'a.b', time: 1, body: { a: 'ü' } };
  const recording = {
    about: 'taken in part',
    delivery: { attempt: 2, events: [event, event], state: '\u0004' },
    exchanges: [{ request: { method: 'POST', url, body: '{"a":"ü"}', gzip: true }, answer: { status: 204 } }],
    expect: { verdicts: ['delivered', { retry_after: 20 }], saved: { base64: 'Bf8=' } },
  };
  assert.equal(replayed(patient, recording), '');
  assert.match(replayed(patient, recording, { expect: { verdicts: ['delivered', null] } }), /`verdicts`/);
});

test('a call of a tool', () => {
  const fetching = defineTool({
    description: 'Fetches.',
    parameters: { type: 'object', properties: { path: { type: 'string' } } },
    call({ path }, settings) {
      const { status } = http.send(post(settings.url + path));
      return { status, kept: new TextDecoder().decode(kv.get('k')), zero: 0 };
    },
  });
  const recording = {
    about: 'a page that is not there',
    settings: { url },
    call: { arguments: { path: '/a' }, kv: { k: { a: 1 } } },
    exchanges: [{ request: { method: 'POST', url: `${url}/a` }, answer: { status: 404 } }],
    expect: { result: { status: 404, kept: '{"a":1}', zero: 0 } },
  };
  assert.equal(replayed(fetching, recording), '');
  assert.match(replayed(fetching, recording, { expect: { result: { status: 404, kept: '{"a":1}' } } }), /`result`/);
  const wrong = replayed(fetching, recording, { call: { arguments: { path: 1 } }, expect: {} });
  assert(wrong.includes('`invalid_arguments`') && wrong.includes('request 1 was not sent'), wrong);
});

test('what it is handed is spelled as the host spells it', () => {
  class Delivery extends Machine {
    constructor(text) {
      super();
      this.text = text;
    }

    *started() {
      yield send(post(url, { body: this.text }));
    }

    *ended() {
      yield delivered(0);
    }
  }
  const spelled = defineExporter({
    deliver: ({ events }, settings) => new Delivery(`${events[0].body} ${Object.keys(settings)}`),
  });
  const body = { b: [1e-6, 1.5e-7, 0.5, -1], a: { ü: null, '\u{10000}': 1, '\uffff': 2, '!': 3, 1: 4 } };
  const text = '{"a":{"!":3,"1":4,"ü":null,"\uffff":2,"\u{10000}":1},"b":[1e-6,1.5e-7,0.5,-1]} a,b';
  const recording = {
    about: 'keys and numbers',
    settings: { b: 1, a: 1 },
    delivery: { events: [{ id: 'evt_1', kind: 'a.b', time: 1, body }] },
    exchanges: [{ request: { method: 'POST', url, body: text }, answer: {} }],
    expect: { verdicts: ['delivered'] },
  };
  assert.equal(replayed(spelled, recording), '');
});

test('a request is compared as in the sandbox', () => {
  const twice = defineTool({
    description: 'Posts.',
    parameters: { type: 'object' },
    call() {
      http.send(post(url, { body: 'no JSON', headers: { 'x-one': 'a', 'X-One': 'b' } }));
      return null;
    },
  });
  const request = { method: 'POST', url, headers: { 'x-one': 'a, b' }, body: null };
  const recording = {
    about: 'headers',
    call: { arguments: {} },
    exchanges: [{ request, answer: { status: 200, broken: null } }],
    expect: { result: null },
  };
  assert.equal(replayed(twice, recording), '');
  Object.assign(request, { headers: { 'x-one': 'a' }, body: {} });
  const told = replayed(twice, recording);
  assert(told.includes('`x-one` is "a, b"') && told.includes('the body is "no JSON"'), told);
  const broken = { exchanges: [{ request: { method: 'POST', url }, answer: { broken: 'reset' } }] };
  assert.equal(replayed(twice, recording, { ...broken, expect: { failure: { kind: 'failed' } } }), '');
});

test('no usage and zeros are the same', () => {
  const exchanges = [{ request: { method: 'POST', url }, answer: { status: 200 } }];
  const embedding = { inputs: ['a'], user: null, extra: {} };
  const recording = { about: 'a vector', settings: { url }, exchanges, embedding };
  const expect = (tokens) => ({ expect: { vectors: [[0.1, 1]], usage: { input_tokens: tokens } } });
  assert.equal(replayed(scripted, recording, expect(0)), '');
  assert.match(replayed(scripted, recording, expect(1)), /`usage`/);
});

test('what the sandbox refuses is refused', () => {
  const refused = (change) => {
    const other = recorded();
    change(other, other.completion, other.exchanges[0]);
    return replayed(scripted, other);
  };
  const changes = {
    'no `setings`': (it) => (it.setings = {}),
    'no `hedaers`': (it, asked, { request }) => (request.hedaers = {}),
    'no `boddy`': (it, asked, { answer }) => (answer.boddy = ''),
    'messages[0] has no `rool`': (it, asked) => (asked.messages[0].rool = 'user'),
    '`stirct`': (it, asked) => (asked.response_format.json_schema.stirct = true),
    'no `txt`': (it) => (it.expect.txt = ''),
    'lacks `answer`': (it, asked, exchange) => delete exchange.answer,
    'gzip is 1': (it, asked, { request }) => (request.gzip = 1),
    'headers is null': (it, asked, { request }) => (request.headers = null),
    'max_tokens is 1.5': (it, asked) => (asked.max_tokens = 1.5),
    '"any"': (it, asked) => (asked.tool_choice = 'any'),
  };
  for (const [words, change] of Object.entries(changes)) {
    const told = refused(change);
    assert(told.includes(words), `${words}: ${told}`);
  }
  const nothing = { seed: null, temperature: null, user: null, parallel_tool_calls: null };
  assert.equal(refused((it, asked) => Object.assign(asked, nothing)), '');
});
