// The openai package of npm against a host. The test that starts this has set up the models it asks for.
//
// HARDPOINT_URL is the base URL, HARDPOINT_KEY a key, HARDPOINT_JAVASCRIPT the folder with node_modules.
// Arguments name tests to run in the place of all.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { HARDPOINT_URL: url, HARDPOINT_KEY: key, HARDPOINT_JAVASCRIPT: folder } = process.env;
const require = createRequire(join(folder, 'package.json'));
const { default: OpenAI } = require('openai');

const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather in a city.',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

const client = (options = {}) =>
  new OpenAI({ baseURL: url, apiKey: key, maxRetries: 0, timeout: 60_000, ...options });
const says = (content) => [{ role: 'user', content }];
const ask = (model, options) => client(options).chat.completions.create({ model, messages: says('hello') });

async function gather(stream) {
  const told = { text: '', chunks: [], finish: null };
  for await (const chunk of stream) {
    told.chunks.push(chunk);
    told.text += chunk.choices[0]?.delta.content ?? '';
    told.finish = chunk.choices[0]?.finish_reason ?? told.finish;
  }
  return told;
}

async function raises(expected, status, asked) {
  const error = await asked().then(
    () => assert.fail(`no ${expected.name}`),
    (error) => error,
  );
  assert.equal(error.constructor.name, expected.name, String(error));
  if (status !== undefined) {
    assert.equal(error.status, status);
    assert.ok(error.error.message && error.error.type, JSON.stringify(error.error));
    assert.ok(error.headers.get('request-id'));
  }
  return error;
}

const tests = {
  async plain() {
    const messages = [{ role: 'system', content: 'Be brief.' }, ...says('Grüße, 世界 🌍')];
    const answer = await client().chat.completions.create({ model: 'echo', messages, temperature: 0.5, seed: 7 });
    assert.equal(answer.object, 'chat.completion');
    assert.equal(answer.choices[0].message.content, 'Grüße, 世界 🌍');
    assert.equal(answer.choices[0].finish_reason, 'stop');
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  },

  async streamed() {
    const stream = await client().chat.completions.create({
      model: 'echo', messages: says('one two three 世界'), stream: true, stream_options: { include_usage: true },
    });
    const { text, chunks, finish } = await gather(stream);
    assert.equal(text, 'one two three 世界');
    assert.equal(finish, 'stop');
    assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
    assert.ok(chunks.at(-1).usage.total_tokens > 0);
  },

  async streamed_with_helper() {
    const stream = client().chat.completions.stream({ model: 'echo', messages: says('as the helper gathers it') });
    assert.equal(await stream.finalContent(), 'as the helper gathers it');
  },

  async streamed_in_splinters() {
    const messages = says('ünïcödé 世界 🌍🌎🌏');
    const stream = await client().chat.completions.create({ model: 'splinters', messages, stream: true });
    assert.equal((await gather(stream)).text, 'ünïcödé 世界 🌍🌎🌏');
  },

  async tools_round_trip() {
    const messages = says('What is the weather in Paris?');
    const first = await client().chat.completions.create({ model: 'weather', messages, tools: [weather] });
    const { message, finish_reason } = first.choices[0];
    assert.equal(finish_reason, 'tool_calls');
    const [call] = message.tool_calls;
    assert.equal(call.function.name, 'get_weather');
    assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Paris' });
    messages.push(message, { role: 'tool', tool_call_id: call.id, content: '18 degrees, dry' });
    const second = await client().chat.completions.create({ model: 'weather', messages, tools: [weather] });
    assert.equal(second.choices[0].message.content, '18 degrees, dry');
  },

  async tools_run_by_helper() {
    const asked = [];
    const run = client().chat.completions.runTools({
      model: 'weather',
      messages: says('What is the weather in Paris?'),
      tools: [{ ...weather, function: {
        ...weather.function, parse: JSON.parse,
        function: ({ city }) => { asked.push(city); return '18 degrees, dry'; },
      } }],
    });
    assert.equal(await run.finalContent(), '18 degrees, dry');
    assert.deepEqual(asked, ['Paris']);
  },

  async hosts_own_loop() {
    const answer = await client().chat.completions.create({ model: 'reckoner', messages: says('What is 6 times 7?') });
    assert.match(answer.choices[0].message.content, /42/);
    assert.equal(answer.choices[0].message.tool_calls, undefined);
    assert.equal(answer.choices[0].finish_reason, 'stop');
  },

  async json_format() {
    const format = { type: 'json_object' };
    const answer = await client().chat.completions.create({
      model: 'echo', messages: says('in JSON'), response_format: format,
    });
    assert.deepEqual(JSON.parse(answer.choices[0].message.content), { said: 'in JSON' });
  },

  async json_schema() {
    const schema = {
      type: 'object', properties: { title: { type: 'string' }, words: { type: 'integer' } },
      required: ['title', 'words'], additionalProperties: false,
    };
    const answer = await client().chat.completions.parse({
      model: 'echo', messages: says('three small words'),
      response_format: { type: 'json_schema', json_schema: { name: 'summary', schema, strict: true } },
    });
    assert.deepEqual(JSON.parse(answer.choices[0].message.content), { title: 'three small words', words: 3 });
  },

  async embeddings() {
    const answer = await client().embeddings.create({ model: 'embed', input: ['first', 'second'], dimensions: 4 });
    assert.deepEqual(answer.data.map((item) => [item.index, item.embedding.length]), [[0, 4], [1, 4]]);
    const floats = await client().embeddings.create({
      model: 'embed', input: 'first', dimensions: 4, encoding_format: 'float',
    });
    assert.deepEqual([...floats.data[0].embedding], [...answer.data[0].embedding]);
  },

  async models() {
    const listed = [];
    for await (const model of client().models.list()) listed.push(model.id);
    for (const id of ['echo', 'weather', 'embed']) assert.ok(listed.includes(id), listed.join(' '));
    assert.equal((await client().models.retrieve('echo')).id, 'echo');
  },

  async errors() {
    await raises(OpenAI.BadRequestError, 400, () => ask('status-400'));
    await raises(OpenAI.UnprocessableEntityError, 422, () => ask('status-422'));
    const limited = await raises(OpenAI.RateLimitError, 429, () => ask('status-429'));
    assert.ok(Number(limited.headers.get('retry-after')) >= 1);
    for (const status of [401, 403, 500, 502]) {
      await raises(OpenAI.InternalServerError, 502, () => ask(`status-${status}`));
    }
    await raises(OpenAI.InternalServerError, 503, () => ask('status-503'));
    await raises(OpenAI.AuthenticationError, 401, () => ask('echo', { apiKey: 'hp_live_wrong' }));
    await raises(OpenAI.UnprocessableEntityError, 422, () => ask('no-such-model'));
    await raises(OpenAI.NotFoundError, 404, () => client().models.retrieve('no-such-model'));
    await raises(OpenAI.APIConnectionError, undefined, () => ask('echo', { baseURL: 'http://127.0.0.1:9/v1' }));
    await raises(OpenAI.APIConnectionTimeoutError, undefined, () => ask('silent', { timeout: 500 }));
  },

  async dies_mid_stream() {
    let text = '';
    const read = async () => {
      const stream = await client().chat.completions.create({ model: 'dies', messages: says('hello'), stream: true });
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    };
    await raises(OpenAI.APIError, undefined, read);
    assert.equal(text, 'as far as ');
  },

  async retries() {
    const messages = says('third time lucky');
    const answer = await client().chat.completions.create({ model: 'flaky', messages });
    assert.equal(answer.choices[0].message.content, 'third time lucky');
  },

  async fallback() {
    const answer = await client().chat.completions.create({ model: 'fragile', messages: says('who answers?') });
    assert.deepEqual([answer.choices[0].message.content, answer.model], ['who answers?', 'echo']);
  },

  async cancellation() {
    const messages = says('never stop');
    const stream = await client().chat.completions.create({ model: 'endless', messages, stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content) break;
    }
    stream.controller.abort();
  },
};

const wanted = process.argv.slice(2);
const chosen = Object.entries(tests).filter(([name]) => wanted.length === 0 || wanted.includes(name));
let failed = 0;
for (const [name, test] of chosen) {
  try {
    await test();
    console.log(`${name}: ok`);
  } catch (error) {
    failed += 1;
    console.log(`${name}: FAILED\n${error.stack}`);
  }
}
console.log(`openai-javascript: ${chosen.length - failed} passed, ${failed} failed`);
process.exit(failed > 0 || chosen.length === 0 ? 1 : 0);
